"""The errors with which every implementation of the journal refuses a write."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy.exc import DBAPIError

from vera_orchestrator.errors import DuplicateTaskId, IdempotencyConflict, InvalidValue, JournalUnavailable, LeaseLost

NAMED = 10
"""Ids that an error names at most."""


def duplicate(taken: Collection[str]) -> DuplicateTaskId:
    """Return the error for ids that unfinished tasks have; without ids, a row's key is to blame."""
    if not taken:
        return DuplicateTaskId("A row of this submission has a key that was used before.", field="key")
    names = ", ".join(repr(name) for name in sorted(taken)[:NAMED])
    return DuplicateTaskId(f"There is an unfinished task with the id {names}.", field="id", remedy="Use another id.")


def duplicate_batch(batch_id: str) -> DuplicateTaskId:
    """Return the error for the id of a batch that goes on."""
    return DuplicateTaskId(
        f"There is an unfinished batch with the id {batch_id!r}.", field="batch_id", remedy="Use another id."
    )


def conflict(task_id: str) -> IdempotencyConflict:
    """Return the error for an idempotency key that came with another body before."""
    return IdempotencyConflict(
        f"The key of task {task_id!r} was used with another body.",
        field="idempotency_key",
        remedy="Use a new key for a new request.",
    )


def lease_lost(owner: int) -> LeaseLost:
    """Return the error for an owner that was removed: what it took now, nobody would give back."""
    return LeaseLost(f"Owner {owner} has been removed.")


def is_of_one(error: DBAPIError) -> bool:
    """Whether one operation is to blame, though a driver counts it among the failures of the database.

    SQLSTATE 54: a limit of the database is exceeded, say by what one row of an index may hold; 0A: it cannot do this.
    """
    return (getattr(error.orig, "sqlstate", None) or "")[:2] in ("54", "0A")


def not_storable(error: Exception) -> InvalidValue:
    """Return the error for a value that the database refuses."""
    failed = InvalidValue(f"The journal cannot hold this: {reason(error)}")
    failed.__cause__ = error
    return failed


def unavailable(error: Exception, remedy: str, *, before: str = "") -> JournalUnavailable:
    """Return the error for a store that cannot be used, caused by another one; `before` is put before the reason."""
    failed = JournalUnavailable(f"{before}{reason(error)}", remedy=remedy)
    failed.__cause__ = error
    return failed


def reason(error: Exception) -> str:
    """Return the driver's own words as one sentence, without the statement."""
    words = " ".join(str(error.orig if isinstance(error, DBAPIError) else error).split())
    return f"{words.rstrip('.')}."


def closed() -> JournalUnavailable:
    """Return the error for a journal that is not open."""
    return JournalUnavailable("The journal is closed.", remedy="Open it first.")
