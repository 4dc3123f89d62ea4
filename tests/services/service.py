"""What each service is to the command that starts and stops all of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from tests.services.state import Record

Note = Callable[[Record], None]
"""Writes down what has been started."""


class Service(Protocol):
    """One kind of server. Methods block, and raise ServiceFailed."""

    name: str
    """In services.json, and of its folder."""
    title: str
    """For people."""
    programs: tuple[str, ...]
    """What must be installed, by the names that `packages` knows."""

    def given(self) -> str | None:
        """Return the address of the one to use instead, which is somebody else's; None if there is none."""
        ...

    def start(self, folder: Path, before: Record | None, note: Note) -> Record:
        """Start it, with what is in its folder, and come back when it answers.

        `before` is of the time it ran last: it comes back at the same address where that is still free. `note` is
        called as soon as there is a process, so that one whose start is interrupted can be stopped.
        """
        ...

    def answers(self, record: Record) -> bool:
        """Return whether it answers."""
        ...

    def found(self, folder: Path) -> Record | None:
        """Return what runs in its folder and was perhaps never noted; None if that cannot be."""
        ...

    def stop(self, folder: Path, record: Record) -> None:
        """End it, and come back when it is gone; its data stay."""
        ...

    def remove(self, folder: Path) -> None:
        """Remove the data of one that was stopped, also those outside its folder."""
        ...
