"""Which tests share a process where several run them, and which come first."""

from __future__ import annotations

from typing import Any

import pytest
from xdist.scheduler.loadfile import LoadFileScheduling  # pyright: ignore[reportMissingTypeStubs]

LONGEST = (
    "tests/engine/",
    "tests/flows/",
    "tests/dashboard/",
    "tests/faults/test_faults.py",
    "tests/examples/test_main_job.py",
    "tests/crash/",
    "tests/api/fuzzing/",
    "tests/limits/",
    "tests/blocks/test_orchestrator.py",
    "tests/journal/test_postgres.py",
    "tests/services/",
    "tests/blocks/test_registrations.py",
    "tests/test_readme.py",
    "tests/test_unified_orchestrator.py",
    "tests/journal/test_processes.py",
    "tests/api/test_specification.py",
    "tests/examples/",
    "tests/runtime/",
    "tests/journal/",
)
"""Files and folders that are begun with, so that none of them is left over for one process at the end."""

WHOLE = ("tests/engine/", "tests/flows/", "tests/limits/", "tests/dashboard/")
"""Folders that stay together, since their files share a server, processes or a browser, which take seconds to start."""

HARMFUL = tuple(
    f"tests/engine/test_{name}.py" for name in ("advice", "prefect_away", "server", "shared_servers", "two_servers")
)
"""Files of tests/engine that stay together by themselves: they start, stop and harm servers for half of its time."""


def unit_of(nodeid: str) -> str:
    """Return what a test stays together with: its file, or the folder that does."""
    if nodeid.startswith(HARMFUL):
        return HARMFUL[0]
    return next((folder for folder in WHOLE if nodeid.startswith(folder)), nodeid.partition("::")[0])


def place_of(nodeid: str) -> int:
    """Return a number that is the smaller the earlier a test shall run."""
    return next((place for place, name in enumerate(LONGEST) if nodeid.startswith(name)), len(LONGEST))


class Scheduling(LoadFileScheduling):
    """Gives each unit to one process."""

    def _split_scope(self, nodeid: str) -> str:
        return unit_of(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduling | None:
    """Take the place of `--dist loadfile`."""
    if config.getoption("dist") != "loadfile":
        return None
    config.option.loadscopereorder = False  # it would begin with the files of most tests, which are the quickest
    return Scheduling(config, log)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest; the order is random otherwise."""
    items.sort(key=lambda item: place_of(item.nodeid))
