"""This project: an orchestrator in a process of its own, recorded in a Prefect server that already runs."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path

from benchmarks.children import Child
from benchmarks.prefect_peer import PrefectServer
from benchmarks.station import Station


def open_ours(stack: ExitStack, folder: Path, name: str, server: PrefectServer) -> tuple[Station, float]:
    """Start a station with a state folder of its own and stop it with `stack`; return it with start()'s seconds.

    The station is not warmed up, so that its memory can be read before its first task.
    """
    driver = Child(
        f"{name} driver",
        [sys.executable, "-m", "benchmarks.ours_driver"],
        log=folder / f"{name}-driver.log",
        environment={**server.environment, "BENCH_HOME": str(folder / f"{name}-home")},
        piped=True,
    )
    station = Station(name, driver)
    stack.callback(station.close)
    return station, float(station.ask("start", timeout=120)["seconds"])
