"""Celery with Redis: a Redis server, a worker and a driver, all of this run alone."""

from __future__ import annotations

import shutil
import socket
import time
from contextlib import ExitStack
from pathlib import Path

from benchmarks.children import Child, ChildFailed, clean_environment, free_port
from benchmarks.environments import environment_python
from benchmarks.station import Station

CONCURRENCY = 2
START_SECONDS = 30


def open_celery(stack: ExitStack, folder: Path, name: str) -> Station:
    """Start a Celery station and stop it with `stack`; raises ChildFailed with the remedy."""
    python = str(environment_python("celery"))
    redis_port = free_port()
    redis = _start_redis(stack, folder / f"{name}-redis.log", redis_port)
    environment = clean_environment({"BENCH_REDIS_URL": f"redis://127.0.0.1:{redis_port}/0"})
    worker = Child(
        f"{name} worker",
        [
            *(python, "-m", "celery", "-A", "benchmarks.peers.celery_app", "worker"),
            *("--pool", "prefork", "--concurrency", str(CONCURRENCY), "-O", "fair", "--loglevel", "INFO"),
            *("--without-gossip", "--without-mingle", "--without-heartbeat"),
        ],
        log=folder / f"{name}-worker.log",
        environment=environment,
    )
    stack.callback(worker.stop)
    driver = Child(
        f"{name} driver",
        [python, "-m", "benchmarks.peers.celery_driver"],
        log=folder / f"{name}-driver.log",
        environment=environment,
        piped=True,
    )
    station = Station(name, driver, (redis, worker))
    stack.callback(station.close)
    _wait_ready(worker)
    station.latency(20)  # connections and the pool's processes come up with the first tasks
    return station


def _start_redis(stack: ExitStack, log: Path, port: int) -> Child:
    binary = shutil.which("redis-server")
    if binary is None:
        raise ChildFailed("redis-server is missing. Install it with `apt-get install redis-server`.")
    command = [binary, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    redis = Child("redis-server", [*command, "--dir", str(log.parent)], log=log, environment=clean_environment())
    stack.callback(redis.stop)
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and not redis.ended:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return redis
        time.sleep(0.05)
    raise redis.failed("did not start")


def _wait_ready(worker: Child) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not worker.logged(" ready."):
        if worker.ended or time.monotonic() > deadline:
            raise worker.failed("did not get ready")
        time.sleep(0.1)
