"""How a group of operations is split into runs of one kind, each of which costs little more than one operation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeVar


class Grouped(Protocol):
    """An operation as this module sees it."""

    @property
    def kind(self) -> object:
        """What can be done together."""
        ...

    @property
    def subject(self) -> Any:
        """The one task or booking that the operation is about, or None if it is about more."""
        ...


Operation = TypeVar("Operation", bound=Grouped)


def runs_of(operations: Sequence[Operation]) -> list[list[Operation]]:
    """Return runs of operations of one kind, to be done one after the other.

    Operations about different tasks may change places, so that starts and ends of many tasks make two runs and not one
    for each. Those about one task never do, and nothing passes an operation without a subject.
    """
    runs: list[list[Operation]] = []
    newest_of_kind: dict[object, int] = {}
    newest_of_subject: dict[object, int] = {}
    wall = 0
    for operation in operations:
        kind, subject = operation.kind, operation.subject
        earliest = len(runs) - 1 if subject is None else max(wall, newest_of_subject.get(subject, 0))
        place = newest_of_kind.get(kind, -1)
        if place < max(earliest, 0):
            place = len(runs)
            runs.append([])
            newest_of_kind[kind] = place
        runs[place].append(operation)
        if subject is None:
            wall = place
        else:
            newest_of_subject[subject] = place
    return runs
