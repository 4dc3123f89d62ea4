"""Stations and their processes, with real drivers."""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.children import Child, ChildFailed, clean_environment, processor_seconds, session_mb, session_pids
from benchmarks.station import Station

DRIVER = """
import asyncio
from benchmarks.serving import serve

async def latency(count):
    print("a library's chatter")
    return {"ms": [1.0] * count}

async def fail():
    raise RuntimeError("the reason")

asyncio.run(serve({"latency": latency, "fail": fail}))
"""


@pytest.fixture
def station(tmp_path: Path) -> Iterator[Station]:
    child = Child(
        "test driver",
        [sys.executable, "-c", DRIVER],
        log=tmp_path / "driver.log",
        environment=clean_environment(),
        piped=True,
    )
    opened = Station("test", child)
    yield opened
    opened.close()


def test_answers_are_not_disturbed_by_what_a_library_prints(station: Station) -> None:
    assert station.latency(3) == [1.0, 1.0, 1.0]
    assert station.latency(1) == [1.0]


def test_a_failing_driver_is_told_with_its_traceback(station: Station) -> None:
    with pytest.raises(ChildFailed, match="the reason"):
        station.ask("fail")


def test_a_station_can_be_closed_twice(station: Station) -> None:
    station.close()
    station.close()

    assert station.driver.ended


def test_stopping_a_child_ends_its_whole_session(tmp_path: Path) -> None:
    script = "trap '' TERM; sleep 1000 & echo $!; wait"
    child = Child(
        "shell", ["sh", "-c", script], log=tmp_path / "shell.log", environment=clean_environment(), piped=True
    )
    grandchild = int(child.pipes[1].readline())
    assert set(session_pids(child.pid)) == {child.pid, grandchild}

    watched = os.pidfd_open(grandchild)

    child.stop(seconds=0)

    assert child.ended
    assert select.select([watched], [], [], 10)[0] == [watched], "the grandchild lives"
    os.close(watched)


def test_memory_and_processor_time_are_read_from_the_kernel() -> None:
    leader = os.getsid(0)

    assert session_mb(leader) > 1
    assert processor_seconds(leader) > 0


def test_the_callers_settings_do_not_reach_the_children(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VERA_HOME", "elsewhere")
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:1/api")

    environment = clean_environment({"EXTRA": "1"})

    assert environment["EXTRA"] == "1"
    assert not {"VERA_HOME", "PREFECT_API_URL"} & set(environment)
