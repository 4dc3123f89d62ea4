"""What the test and its processes tell each other, one JSON object per line."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from vera_orchestrator.models import APIQuota
from vera_orchestrator.pricing import ModelPrice
from vera_orchestrator.reservation import Amounts


class Message(BaseModel):
    """A value that is sent."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Order(Message):
    """What all processes of one test do: ask one provider with one key, each for its share of the tasks."""

    home: Path
    database: str
    provider: str
    tasks: int
    """For each process."""
    at_once: int
    """Tasks that each process runs at a time."""
    quota: APIQuota
    rate_limit_per_minute: int
    price: ModelPrice
    prompt: str
    max_tokens: int
    time_zone: str
    caller: str | None = None
    """The key that the tasks come with."""


class Ready(Message):
    """A process has its worker; this is what one call of it reserves."""

    call: Amounts


class Ended(Message):
    """A task has ended; `error` is None if it succeeded."""

    task: str
    error: str | None = None


class Waiting(Message):
    """None of a process's tasks runs: so many wait for a limit, and so many have completed."""

    limited: int
    completed: int


class Gone(Message):
    """A process has stopped its orchestrator, or was killed."""


class Said(Message):
    """One line of a process."""

    body: Ready | Ended | Waiting | Gone


GO, COUNT, STOP = "go", "count", "stop"
"""What a process is told after its order: to submit its tasks, to say how many wait, to end."""


def zone_at_noon() -> str:
    """Return a time zone where the day neither begins nor ends while a test runs."""
    hours = datetime.now(UTC).hour - 12
    return f"Etc/GMT{hours:+d}"  # the sign is the opposite of the usual one
