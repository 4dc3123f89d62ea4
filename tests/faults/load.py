"""What is submitted by whom and when: a pure function of a seed, so that every process knows everybody's part."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from tests.faults.plan import SECONDS
from vera_orchestrator.models import Task
from vera_orchestrator.payloads import AnyPayload, register_task_type

LIMITED = "limited"
"""A task type of which only `LIMIT` run at a time in the whole journal."""
LIMIT = 2
ABOUT_MS, LONG_SECONDS = (0.005, 0.03), (0.3, 0.9)


class ItemKind(StrEnum):
    """How a task behaves."""

    SHORT = "short"
    LONG = "long"
    FLAKY = "flaky"
    """Fails in its first attempt."""
    FAILING = "failing"
    """Fails in every attempt."""
    ONCE = "once"
    """May not run twice."""
    KEYED = "keyed"
    """Only one of its concurrency key runs at a time."""
    LIMITED = "limited"
    IDEMPOTENT = "idempotent"
    """Submitted until it is acknowledged, with one idempotency key."""
    CANCELLED = "cancelled"
    """Cancelled, by another orchestrator or its own."""
    BATCH = "batch"
    """A batch of four tasks that depend on each other."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """One submission: by `by`, `at` seconds after the beginning. `seconds` is what each attempt takes.

    `waits` says whether its submitter waits for the result; `peer` waits for it too, or cancels it.
    """

    id: str
    kind: ItemKind
    by: str
    at: float
    seconds: float
    waits: bool
    peer: str | None
    key: str | None = None

    @property
    def retries(self) -> int:
        """How often it may be tried again."""
        return {ItemKind.ONCE: 0, ItemKind.FAILING: 1}.get(self.kind, 20)


_SHARES: Mapping[ItemKind, int] = {
    ItemKind.SHORT: 8,
    ItemKind.LONG: 6,
    ItemKind.FLAKY: 4,
    ItemKind.FAILING: 2,
    ItemKind.ONCE: 6,
    ItemKind.KEYED: 4,
    ItemKind.LIMITED: 4,
    ItemKind.IDEMPOTENT: 5,
    ItemKind.CANCELLED: 4,
    ItemKind.BATCH: 3,
}
_SECONDS: Mapping[ItemKind, tuple[float, float]] = {
    ItemKind.LONG: LONG_SECONDS,
    ItemKind.ONCE: (0.05, 0.4),
    ItemKind.KEYED: (0.02, 0.3),
    ItemKind.LIMITED: (0.05, 0.3),
    ItemKind.CANCELLED: (6.0, 6.0),
    ItemKind.BATCH: (0.02, 0.2),
}


def know_types() -> None:
    """Register the task type of the load."""
    register_task_type(LIMITED, AnyPayload, capabilities=["custom"])


def make_load(seed: int, names: Sequence[str], per_orchestrator: int) -> Sequence[Item]:
    """Return the submissions of all orchestrators, by time."""
    chance = random.Random(f"load {seed}")
    kinds, weights = list(_SHARES), list(_SHARES.values())
    items: list[Item] = []
    for name in names:
        others = [other for other in names if other != name]
        for number in range(per_orchestrator):
            kind = chance.choices(kinds, weights)[0]
            peer = chance.choice(others) if others and chance.random() < 0.2 else None
            if kind is ItemKind.CANCELLED:
                peer = chance.choice(names)
            items.append(
                Item(
                    id=f"{name}-{number}-{kind}",
                    kind=kind,
                    by=name,
                    at=chance.uniform(0.0, SECONDS),
                    seconds=chance.uniform(*_SECONDS.get(kind, ABOUT_MS)),
                    waits=chance.random() < 0.5,
                    peer=peer,
                    key=f"key-{chance.randint(1, 2)}" if kind is ItemKind.KEYED else None,
                )
            )
    return sorted(items, key=lambda item: (item.at, item.id))


def task_of(item: Item, **more: Any) -> Task:
    """Return a new task of an item."""
    options: dict[str, Any] = {
        "id": item.id,
        "type": LIMITED if item.kind is ItemKind.LIMITED else "custom",
        "payload": {"kind": item.kind.value, "seconds": item.seconds},
        "max_retries": item.retries,
        "retry_delay_seconds": 0.05,
        "concurrency_key": item.key,
        "idempotency_key": f"once {item.id}" if item.kind is ItemKind.IDEMPOTENT else None,
        **more,
    }
    return Task(**options)


def batch_of(item: Item) -> list[Task]:
    """Return the tasks of a batch: the first, two that take its result, and one that takes theirs."""
    ids = [f"{item.id}-{letter}" for letter in "abcd"]
    first, left, right, last = ids
    after = {first: [], left: [first], right: [first], last: [left, right]}
    return [
        task_of(
            item,
            id=task_id,
            payload={
                "kind": item.kind.value,
                "seconds": item.seconds,
                "given": {one: f"{{{one}.id}}" for one in after[task_id]},
            },
            depends_on=after[task_id],
        )
        for task_id in ids
    ]


def ids_of(item: Item) -> list[str]:
    """Return the ids of the tasks of an item."""
    return [f"{item.id}-{letter}" for letter in "abcd"] if item.kind is ItemKind.BATCH else [item.id]
