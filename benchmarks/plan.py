"""How much is measured: three sizes of the same run."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TypeVar

T = TypeVar("T")


class Subject(StrEnum):
    """What is measured; raw Prefect in two ways."""

    OURS = "ours"
    CELERY = "celery"
    PREFECT_DELAY = "prefect_delay"
    PREFECT_FLOW = "prefect_flow"
    BARE = "bare"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Sizes of one run.

    `rounds` is how often the subjects take turns. The counts of `latency` are per round and subject. `batches` says by
    batch size how many rounds each subject takes part in. `history` names by subject the numbers of earlier tasks with
    which `history_latency` no-ops are measured in each round. `starts` and `programs` are samples in all.
    `llm_requests` go to a language model in each of `llm_rounds`, each way with 8 and 64 at a time.
    """

    name: str
    rounds: int
    latency: dict[Subject, int]
    batches: dict[int, dict[Subject, int]]
    history: dict[Subject, tuple[int, ...]]
    history_latency: dict[Subject, int] = field(
        default_factory=lambda: {
            Subject.OURS: 250,
            Subject.CELERY: 250,
            Subject.PREFECT_DELAY: 3,
            Subject.PREFECT_FLOW: 50,
        }
    )
    starts: int
    programs: int
    llm_rounds: int
    llm_requests: int

    def only(self, subjects: frozenset[Subject]) -> Plan:
        """Return the plan without the other subjects."""
        return replace(
            self,
            latency=_kept(self.latency, subjects),
            batches={size: _kept(rounds, subjects) for size, rounds in self.batches.items()},
            history=_kept(self.history, subjects),
            starts=self.starts if Subject.OURS in subjects else 0,
            programs=self.programs if Subject.OURS in subjects else 0,
            llm_rounds=0,
        )


def _kept(values: dict[Subject, T], subjects: frozenset[Subject]) -> dict[Subject, T]:
    return {subject: value for subject, value in values.items() if subject in subjects}


QUICK = Plan(
    name="quick",
    rounds=2,
    latency={Subject.OURS: 500, Subject.CELERY: 300, Subject.PREFECT_DELAY: 3, Subject.PREFECT_FLOW: 50},
    batches={1_000: {Subject.OURS: 2, Subject.CELERY: 2}, 10_000: {Subject.OURS: 1}},
    history={Subject.OURS: (1_000, 10_000), Subject.CELERY: (1_000,)},
    starts=2,
    programs=10,
    llm_rounds=1,
    llm_requests=100,
)
DEFAULT = Plan(
    name="default",
    rounds=4,
    latency={Subject.OURS: 500, Subject.CELERY: 500, Subject.PREFECT_DELAY: 3, Subject.PREFECT_FLOW: 50},
    batches={
        1_000: {Subject.OURS: 4, Subject.CELERY: 4, Subject.PREFECT_FLOW: 1},
        10_000: {Subject.OURS: 4, Subject.CELERY: 1},
    },
    history={Subject.OURS: (1_000, 10_000, 100_000), Subject.CELERY: (1_000, 10_000), Subject.PREFECT_FLOW: (1_000,)},
    starts=5,
    programs=30,
    llm_rounds=4,
    llm_requests=400,
)
LONG = Plan(
    name="long",
    rounds=8,
    latency={Subject.OURS: 500, Subject.CELERY: 500, Subject.PREFECT_DELAY: 5, Subject.PREFECT_FLOW: 100},
    batches={
        1_000: {Subject.OURS: 8, Subject.CELERY: 8, Subject.PREFECT_FLOW: 3},
        10_000: {Subject.OURS: 8, Subject.CELERY: 3},
    },
    history={
        Subject.OURS: (1_000, 10_000, 100_000),
        Subject.CELERY: (1_000, 10_000, 100_000),
        Subject.PREFECT_FLOW: (1_000, 10_000),
    },
    starts=9,
    programs=60,
    llm_rounds=12,
    llm_requests=600,
)
