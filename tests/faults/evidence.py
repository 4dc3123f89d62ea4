"""What is left to judge a run by: the journal, read by SQL, and what the processes wrote down."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, create_engine, select

from tests.faults.record import Event, EventKind, read_record
from vera_orchestrator.enums import TaskStatus
from vera_orchestrator.journal.schema import batches, owners, slots, tasks
from vera_orchestrator.runtime.codec import decode_result


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One row of the journal; `data` and `error_type` are those of its result."""

    id: str
    status: TaskStatus
    retry_count: int
    owner: int | None
    fence: int
    error: str | None = None
    data: Any = None
    error_type: str | None = None
    idempotency_key: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """One attempt, from `begun` to `over`: when it ended, or its process died.

    One whose owner was given up for dead counts no longer from then on, unless its result is the task's all the same.
    `limit` names the limit it was under.
    """

    id: str
    run: str
    owner: int
    fence: int
    limit: str | None
    begun: float
    over: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Snapshot:
    """What is not at rest in the journal: unfinished rows and batches, slots in use, and the owners by process."""

    unfinished: Sequence[str]
    open_batches: Sequence[str]
    slots: Sequence[str]
    owners: Mapping[int, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class Evidence:
    """All of a run: the journal's rows, and the events of all processes by time."""

    rows: Sequence[Row]
    events: Sequence[Event]

    def of(self, kind: EventKind) -> Iterator[Event]:
        """Yield the events of a kind."""
        return (event for event in self.events if event.kind is kind)

    def ids(self, kind: EventKind) -> Counter[str]:
        """Count the task ids that events of a kind name."""
        return Counter(one for event in self.of(kind) for one in event.facts.get("ids", [event.facts.get("id")]))

    @property
    def taken_over(self) -> int:
        """How many tasks had more than one owner."""
        return sum(row.fence > 1 for row in self.rows)

    @property
    def born_again(self) -> int:
        """How often a process that lived became another owner."""
        return sum(1 for _ in self.of(EventKind.OWNER)) - len({event.pid for event in self.of(EventKind.OWNER)})

    def was_calm(self, since: float, until: float) -> bool:
        """Whether nothing was broken between two times."""
        mended = {event.facts["text"]: event.at for event in self.of(EventKind.MENDED)}
        return not any(
            event.at < until and since < mended.get(event.facts["text"], math.inf) for event in self.of(EventKind.FAULT)
        )

    def runs(self) -> Sequence[Run]:
        """Return all attempts, as far as they count."""
        over = {event.facts["run"]: event.at for event in self.of(EventKind.OVER)}
        died = {event.facts["victim"]: event.at for event in self.of(EventKind.DIED)}
        buried = self._buried()
        kept = {row.data["run"] for row in self.rows if row.status is TaskStatus.COMPLETED}
        return [
            Run(
                id=event.facts["id"],
                run=event.facts["run"],
                owner=event.facts["owner"],
                fence=event.facts["fence"],
                limit=event.facts["limit"],
                begun=event.at,
                over=min(
                    over.get(event.facts["run"], math.inf),
                    died.get(event.pid, math.inf),
                    math.inf if event.facts["run"] in kept else buried.get(event.facts["owner"], math.inf),
                ),
            )
            for event in self.of(EventKind.BEGUN)
        ]

    def _buried(self) -> Mapping[int, float]:
        """Return since when each owner may have been gone from the journal.

        A removal that failed counts only for an owner that nobody removed later: it may have been done and its answer
        lost.
        """
        buried: dict[int, float] = {}
        for event in self.of(EventKind.BURIED):
            owner, since = event.facts["owner"], event.facts["since"]
            buried[owner] = min(since, buried.get(owner, math.inf))
        for event in self.of(EventKind.BURYING):
            buried.setdefault(event.facts["owner"], event.at)
        return buried


@contextmanager
def _reading(url: str) -> Generator[Connection]:
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def snapshot(url: str) -> Snapshot:
    """Read what is not at rest."""
    with _reading(url) as connection:
        open_rows = select(tasks).where(tasks.c.completed_at.is_(None)).order_by(tasks.c.key)
        open_batches = select(batches.c.id).where(batches.c.completed_at.is_(None))
        return Snapshot(
            unfinished=[_described(row) for row in connection.execute(open_rows)],
            open_batches=list(connection.execute(open_batches).scalars()),
            slots=[f"{row.name} of {row.task} by owner {row.owner}" for row in connection.execute(select(slots))],
            owners={row.number: row.pid for row in connection.execute(select(owners))},
        )


def _described(row: Any) -> str:
    return f"{row.id} is {row.status}, owner {row.owner}, fence {row.fence}, retries {row.retry_count}, {row.error}"


def gather(url: str, folder: Path) -> Evidence:
    """Read everything."""
    with _reading(url) as connection:
        rows = [_row(row) for row in connection.execute(select(tasks).order_by(tasks.c.key))]
    events = [event for path in folder.glob("*.jsonl") for event in read_record(path)]
    return Evidence(rows=rows, events=sorted(events, key=lambda event: event.at))


def _row(row: Any) -> Row:
    result = decode_result(row.result)
    return Row(
        id=row.id,
        status=TaskStatus(row.status),
        retry_count=row.retry_count,
        owner=row.owner,
        fence=row.fence,
        error=row.error,
        data=result.data if result is not None else None,
        error_type=result.error_type if result is not None else None,
        idempotency_key=row.idempotency_key,
    )
