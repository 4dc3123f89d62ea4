"""What a process writes down while it lives: one line of JSON per event, which survives its death."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import orjson


class EventKind(StrEnum):
    """What happened."""

    TRIED = "tried"
    """A submission begins: `ids`, `batch`."""
    ACKNOWLEDGED = "acknowledged"
    """It was accepted: `ids`."""
    REFUSED = "refused"
    """It was not: `ids`, `error`."""
    BEGUN = "begun"
    """An attempt begins: `id`, `run`, `owner`, `fence`, `key`."""
    OVER = "over"
    """An attempt has ended: `id`, `run`."""
    TOLD = "told"
    """Somebody was given a result: `id`, `success`, `data`, `error_type`."""
    UNTOLD = "untold"
    """Somebody was refused one: `id`, `error`."""
    CANCELLING = "cancelling"
    """A cancellation is asked for: `id`."""
    CANCELLED = "cancelled"
    """It was answered: `id`, `answer`."""
    BURYING = "burying"
    """An owner is about to be removed from the journal: `owner`."""
    BURIED = "buried"
    """It was removed: `owner`, and the time `since` which that went on."""
    OWNER = "owner"
    """This process is an owner: `owner`."""
    SURPRISE = "surprise"
    """Something that must never happen: `text`."""
    LOG = "log"
    """A line of the program's own log: `level`, `text`."""
    DIED = "died"
    """A process was killed, written by who did it: `victim`."""
    FAULT = "fault"
    """A fault begins: `text`."""
    MENDED = "mended"
    """A fault is over: `text`."""


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened at `at`, on the clock that all processes of a machine share, in process `pid`."""

    kind: EventKind
    at: float
    pid: int
    facts: dict[str, Any]


class Record:
    """Appends events to a file; each is written whole by one system call."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY | os.O_CLOEXEC, 0o644)
        self._pid = os.getpid()

    def note(self, kind: EventKind, **facts: Any) -> None:
        """Write an event down."""
        line = {"event": kind.value, "at": time.monotonic(), "pid": self._pid, **facts}
        os.write(self._file, orjson.dumps(line) + b"\n")


def read_record(path: Path) -> Iterator[Event]:
    """Yield the events of a file; a last line that was cut short is left out."""
    if not path.exists():
        return
    for line in path.read_bytes().splitlines(keepends=True):
        if line.endswith(b"\n"):
            facts: dict[str, Any] = orjson.loads(line)
            yield Event(EventKind(facts.pop("event")), facts.pop("at"), facts.pop("pid"), facts)
