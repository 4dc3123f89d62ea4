"""The rows of the table, and whether each goal was reached: pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from benchmarks.findings import Findings
from benchmarks.plan import Subject

PEERS = (Subject.CELERY, Subject.PREFECT_DELAY, Subject.PREFECT_FLOW, Subject.BARE)
RATIO = "ratio"
HISTORY_SIZES = (1_000, 10_000, 100_000)


class Bound(StrEnum):
    """Which side of the limit is good."""

    AT_MOST = "≤"
    AT_LEAST = "≥"


@dataclass(frozen=True, kw_only=True)
class Goal:
    """A limit on our value, or with `beside` on our value divided by that subject's."""

    bound: Bound
    limit: float
    beside: Subject | None = None

    def reached(self, values: dict[Subject, float]) -> bool | None:
        """Return whether the values keep the limit; None where one is missing."""
        value = values.get(Subject.OURS)
        if value is not None and self.beside is not None:
            other = values.get(self.beside)
            value = value / other if other else None
        if value is None:
            return None
        return value <= self.limit if self.bound is Bound.AT_MOST else value >= self.limit


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line: what was measured, its unit, a value per subject, and the goal if there is one."""

    what: str
    unit: str
    values: dict[Subject, float]
    goal: Goal | None = None

    @property
    def reached(self) -> bool | None:
        """Whether the goal was reached; None without a goal or without the values for it."""
        return self.goal.reached(self.values) if self.goal else None


Value = Callable[[Subject], float | None]


def rows(findings: Findings) -> list[Row]:
    """Return the lines for which something was measured."""

    def middle(quantity: str) -> Value:
        return lambda subject: findings.median(quantity, subject)

    def over(quantity: str, other: str) -> Value:
        return lambda subject: _quotient(findings.median(quantity, subject), findings.median(other, subject))

    lines = [
        _row("no-op, median", "ms", middle("latency"), Goal(bound=Bound.AT_MOST, limit=0.5, beside=Subject.CELERY)),
        _row("no-op, 95th percentile", "ms", lambda subject: findings.percentile("latency", subject, 0.95)),
        _row(
            "batch of 1,000",
            "tasks/s",
            middle("batch_1000"),
            Goal(bound=Bound.AT_LEAST, limit=8, beside=Subject.CELERY),
        ),
        _row("batch of 10,000", "tasks/s", middle("batch_10000")),
        _row(
            "time per task, 10,000 beside 1,000",
            RATIO,
            over("batch_1000", "batch_10000"),
            Goal(bound=Bound.AT_MOST, limit=1.0),
        ),
        *(_row(f"no-op after {size:,} tasks, median", "ms", middle(f"history_{size}")) for size in HISTORY_SIZES),
        _row(
            "the same, 100,000 beside 1,000",
            RATIO,
            over("history_100000", "history_1000"),
            Goal(bound=Bound.AT_MOST, limit=1.2),
        ),
        _row("memory at the start", "MB", middle("memory_start")),
        *(_row(f"memory gained over {size:,} tasks", "MB", *_growth(findings, size)) for size in HISTORY_SIZES),
        _row("start() beside a running Prefect server", "ms", middle("start"), Goal(bound=Bound.AT_MOST, limit=1_000)),
        _row(
            "sandboxed program, median",
            "ms",
            middle("sandbox"),
            Goal(bound=Bound.AT_MOST, limit=1.1, beside=Subject.BARE),
        ),
    ]
    return [line for line in lines if line.values]


def _growth(findings: Findings, size: int) -> tuple[Value, Goal | None]:
    goal = Goal(bound=Bound.AT_MOST, limit=50) if size == max(HISTORY_SIZES) else None
    return lambda subject: findings.median(f"growth_{size}", subject), goal


def _quotient(above: float | None, below: float | None) -> float | None:
    return above / below if above is not None and below else None


def _row(what: str, unit: str, value: Value, goal: Goal | None = None) -> Row:
    values = {subject: value(subject) for subject in Subject}
    present = {subject: number for subject, number in values.items() if number is not None}
    return Row(what=what, unit=unit, values=present, goal=goal)
