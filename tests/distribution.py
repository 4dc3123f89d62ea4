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
    "tests/limits/",
    "tests/examples/",
    "tests/crash/",
    "tests/services/",
    "tests/test_readme.py",
    "tests/api/test_specification.py",
    "tests/runtime/",
)
"""Files and folders that are begun with, so that none of them is left over for one process at the end."""

WHOLE = ("tests/engine/", "tests/flows/", "tests/limits/", "tests/dashboard/")
"""Folders that stay together, since their files share a server, processes or a browser, which take seconds to start."""


def unit_of(nodeid: str) -> str:
    """Return what a test stays together with: its file, or the folder that does."""
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
