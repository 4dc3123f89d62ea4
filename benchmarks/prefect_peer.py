"""Raw Prefect: a server, a task worker and a driver, all of this run alone; and servers for whoever needs one."""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack
from pathlib import Path

import httpx

from benchmarks.children import Child, clean_environment, free_port
from benchmarks.station import Station

START_SECONDS = 90


class PrefectServer:
    """A `prefect server` on a free port of 127.0.0.1, with a home of its own."""

    def __init__(self, stack: ExitStack, folder: Path, name: str) -> None:
        port = free_port()
        self.api = f"http://127.0.0.1:{port}/api"
        home = folder / f"{name}-home"
        quiet = {"PREFECT_HOME": str(home), "PREFECT_SERVER_ANALYTICS_ENABLED": "false", "DO_NOT_TRACK": "1"}
        self.child = Child(
            name,
            [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)],
            log=folder / f"{name}.log",
            environment=clean_environment(quiet),
        )
        stack.callback(self.child.stop)
        self.environment = clean_environment({**quiet, "PREFECT_API_URL": self.api, "PREFECT_LOGGING_LEVEL": "WARNING"})

    def wait_ready(self) -> None:
        """Return once the API answers; raises ChildFailed."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and not self.child.ended:
            try:
                if httpx.get(f"{self.api}/health", trust_env=False).is_success:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.2)
        raise self.child.failed("did not start")

    def count(self, what: str) -> int:
        """Return how many `task_runs` or `flow_runs` the server has recorded."""
        answer = httpx.post(f"{self.api}/{what}/count", json={}, trust_env=False, timeout=60)
        return int(answer.raise_for_status().json())


def open_prefect(stack: ExitStack, folder: Path, name: str) -> Station:
    """Start a station of raw Prefect and stop it with `stack`; raises ChildFailed."""
    server = PrefectServer(stack, folder, f"{name}-server")
    server.wait_ready()
    worker = Child(
        f"{name} task worker",
        [sys.executable, "-m", "benchmarks.prefect_noop"],
        log=folder / f"{name}-worker.log",
        environment=server.environment,
    )
    stack.callback(worker.stop)
    driver = Child(
        f"{name} driver",
        [sys.executable, "-m", "benchmarks.prefect_driver"],
        log=folder / f"{name}-driver.log",
        environment=server.environment,
        piped=True,
    )
    station = Station(name, driver, (server.child, worker))
    stack.callback(station.close)
    station.latency(2, way="delay")  # comes back when the task worker is there
    station.latency(20, way="flow")
    return station
