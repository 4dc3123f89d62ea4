"""What goes wrong and when: a pure function of a seed."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

LEASE_SECONDS = 2.0
LEASE_RENEW_SECONDS = 0.5
SECONDS = 5.0
"""How long faults begin and tasks come in."""

DATABASE = "database"
"""The target of faults that concern all orchestrators at once."""


class Database(StrEnum):
    """What the journal is kept in."""

    SQLITE = "sqlite"
    POSTGRESQL = "postgresql"


class FaultKind(StrEnum):
    """What can go wrong."""

    KILL = "kill"
    """kill -9, and a start after a while."""
    UPGRADE = "upgrade"
    """A graceful stop, and a start after a while."""
    PAUSE = "pause"
    """A stop of all threads for less than the lease."""
    LONG_PAUSE = "long-pause"
    """A stop of all threads for longer than the lease: others take over, and it wakes all the same."""
    HANG = "hang"
    """The line to the database carries nothing for a while, then everything, late."""
    DEAF = "deaf"
    """The database hears the orchestrator and its answers are lost; at the end the connections are reset."""
    CUT = "cut"
    """The connections are reset and new ones are refused for a while."""
    DATABASE_STOP = "database-stop"
    """The database ends all sessions at once and is started after a while."""
    DATABASE_KILL = "database-kill"
    """kill -9 of the database, and a start after a while."""
    LOCK = "lock"
    """Somebody holds the database file's write lock for a while."""
    PREFECT_KILL = "prefect-kill"
    """kill -9 of the embedded Prefect server."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """Something that goes wrong `at` seconds after the load begins, for `seconds`; then it is mended."""

    kind: FaultKind
    target: str
    at: float
    seconds: float

    def __str__(self) -> str:
        return f"{self.kind}({self.target} {self.at:.2f}+{self.seconds:.2f})"


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """The faults of one run, by time; all are mended at `ends_at`. The orchestrators may share a state folder."""

    seed: int
    database: Database
    orchestrators: Sequence[str]
    shares_home: bool
    faults: Sequence[Fault]

    @property
    def ends_at(self) -> float:
        """Seconds after the beginning at which everything is mended."""
        return max((fault.at + fault.seconds for fault in self.faults), default=0.0)

    def __str__(self) -> str:
        homes = "one home" if self.shares_home else "own homes"
        return f"{homes}, " + ", ".join(str(fault) for fault in self.faults)


SPANS: Mapping[FaultKind, tuple[float, float]] = {
    FaultKind.KILL: (0.0, 1.5),
    FaultKind.UPGRADE: (0.0, 0.5),
    FaultKind.PAUSE: (0.2, LEASE_SECONDS - 2 * LEASE_RENEW_SECONDS),
    FaultKind.LONG_PAUSE: (LEASE_SECONDS + 0.5, LEASE_SECONDS + 2.0),
    FaultKind.HANG: (0.2, LEASE_SECONDS + 2.5),
    FaultKind.DEAF: (0.2, LEASE_SECONDS + 1.5),
    FaultKind.CUT: (0.1, LEASE_SECONDS + 1.5),
    FaultKind.DATABASE_STOP: (0.1, LEASE_SECONDS + 1.0),
    FaultKind.DATABASE_KILL: (0.1, LEASE_SECONDS + 1.0),
    FaultKind.LOCK: (0.2, LEASE_SECONDS + 1.0),
    FaultKind.PREFECT_KILL: (0.1, 0.1),
}
"""The shortest and the longest time that each kind lasts, in seconds."""

OF_ALL = frozenset({FaultKind.DATABASE_STOP, FaultKind.DATABASE_KILL, FaultKind.LOCK})
_OF_PROCESSES = (FaultKind.KILL, FaultKind.UPGRADE, FaultKind.PAUSE, FaultKind.LONG_PAUSE)
KINDS: Mapping[Database, Sequence[FaultKind]] = {
    Database.SQLITE: (*_OF_PROCESSES, FaultKind.KILL, FaultKind.LONG_PAUSE, FaultKind.LOCK),
    Database.POSTGRESQL: (
        *_OF_PROCESSES,
        FaultKind.HANG,
        FaultKind.DEAF,
        FaultKind.CUT,
        FaultKind.DATABASE_STOP,
        FaultKind.DATABASE_KILL,
    ),
}
FEWEST, MOST = 2, 4
APART = 0.3
"""Seconds between two faults of one target."""


def make_plan(seed: int, database: Database, orchestrators: int, *, prefect: bool = False) -> Plan:
    """Return the plan of a seed. Faults of one target follow each other; those of several may coincide."""
    chance = random.Random(f"plan {seed} {database} {orchestrators} {prefect}")
    names = [f"o{number}" for number in range(1, orchestrators + 1)]
    kinds = [*KINDS[database], *([FaultKind.PREFECT_KILL] if prefect else [])]
    free_at: dict[str, float] = {}
    faults: list[Fault] = []
    for at in sorted(chance.uniform(0.2, SECONDS) for _ in range(chance.randint(FEWEST, MOST))):
        kind = chance.choice(kinds)
        target = DATABASE if kind in OF_ALL else chance.choice(names)
        seconds = chance.uniform(*SPANS[kind])
        begin = max(at, free_at.get(target, 0.0))
        free_at[target] = begin + seconds + APART
        faults.append(Fault(kind=kind, target=target, at=begin, seconds=seconds))
    return Plan(
        seed=seed,
        database=database,
        orchestrators=names,
        shares_home=chance.random() < 0.5,
        faults=sorted(faults, key=lambda fault: fault.at),
    )
