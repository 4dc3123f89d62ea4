"""The latest of everything that has changed, for readers that are at different places."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

MOST_CHANGES = 10_000
MOST_BYTES = 8_000_000
PAGE_BYTES = 64_000
LOSSES_KEPT = 10_000


class About(NamedTuple):
    """Whose task a change is about, of which batch, and which one; for a worker all are None."""

    caller: str | None = None
    batch_id: str | None = None
    task_id: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class View:
    """What of the changes a reader gets: everybody's or those of its caller, of one batch or one task if it says so."""

    sees_all: bool = True
    caller: str | None = None
    batch_id: str | None = None
    task_id: str | None = None

    def includes(self, about: About) -> bool:
        """Return whether a change is for this reader."""
        return (
            (self.sees_all or about.caller == self.caller)
            and self.batch_id in (None, about.batch_id)
            and self.task_id in (None, about.task_id)
        )


class Change(NamedTuple):
    """The newest JSON of one thing, None where it is gone; later changes have higher versions."""

    version: int
    key: str
    text: bytes | None
    about: About


class Page(NamedTuple):
    """What a reader gets next, where it is then, and how many changes it will never get."""

    changes: Sequence[Change]
    cursor: int
    dropped: int


class ChangeLog:
    """Keeps one change for each thing, the last, and the newest of them where they become too many.

    A reader is only a number, its cursor, so that a slow one costs nothing: what changes twice before it reads again it
    gets once.
    """

    def __init__(self, most: int = MOST_CHANGES, most_bytes: int = MOST_BYTES) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._changes: OrderedDict[str, Change] = OrderedDict()
        self._bytes = 0
        self._lost: deque[tuple[int, About]] = deque(maxlen=LOSSES_KEPT)
        self.version = 0

    def __len__(self) -> int:
        return len(self._changes)

    def put(self, key: str, text: bytes | None, about: About) -> None:
        """Note how something stands now."""
        earlier = self._changes.pop(key, None)
        if earlier is not None:
            self._bytes -= _size(earlier)
        self.version += 1
        change = self._changes[key] = Change(self.version, key, text, about)
        self._bytes += _size(change)
        while len(self._changes) > self._most or self._bytes > self._most_bytes:
            _, oldest = self._changes.popitem(last=False)
            self._bytes -= _size(oldest)
            self._lost.append((oldest.version, oldest.about))

    def lose(self, about: About) -> None:
        """Note that something has changed of which nobody will be told."""
        self.version += 1
        self._lost.append((self.version, about))

    def page(self, cursor: int, view: View) -> Page:
        """Return what has changed since a reader's cursor, the oldest first and about `PAGE_BYTES` of it at most."""
        newer: list[Change] = []
        for change in reversed(self._changes.values()):
            if change.version <= cursor:
                break
            if view.includes(change.about):
                newer.append(change)
        page: list[Change] = []
        size, reached = 0, self.version
        for change in reversed(newer):
            size += _size(change)
            if page and size > PAGE_BYTES:
                reached = page[-1].version
                break
            page.append(change)
        dropped = sum(cursor < version <= reached and view.includes(about) for version, about in self._lost)
        return Page(page, reached, dropped)

    def forget(self, until: int) -> None:
        """Let go of what every reader has."""
        while self._changes:
            change = next(iter(self._changes.values()))
            if change.version > until:
                break
            del self._changes[change.key]
            self._bytes -= _size(change)
        while self._lost and self._lost[0][0] <= until:
            self._lost.popleft()


def _size(change: Change) -> int:
    return len(change.text) if change.text is not None else len(change.key)
