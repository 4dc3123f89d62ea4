"""The one thread that writes, with group commit.

All operations that were queued while the last transaction ran go into the next one, so the cost of a commit is shared.
Each operation has an outcome of its own: neighbours of one that fails do not notice.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import KW_ONLY, dataclass
from queue import Empty, SimpleQueue
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, InternalError, OperationalError, SQLAlchemyError

from vera_orchestrator.errors import VeraError
from vera_orchestrator.journal import refusals
from vera_orchestrator.journal.backend import Backend
from vera_orchestrator.journal.records import NO_NEWS, Backlog, News
from vera_orchestrator.journal.runs import runs_of
from vera_orchestrator.journal.transaction import Transaction

GROUP_LIMIT = 2_000
"""Operations that share a transaction at most."""

GROUP_SECONDS = 2.0
"""After how long a group that is written one by one is cut: its transaction keeps other processes waiting."""

UNHURRIED_SECONDS = 0.02
"""How long an operation that does not hurry waits for another to share a transaction with."""

TRIES = 3
"""How often a transaction is begun if it fails before its commit for a reason that may not last."""

Item = TypeVar("Item", contravariant=True)
Outcome = TypeVar("Outcome", covariant=True)
AnyItem = TypeVar("AnyItem")
AnyOutcome = TypeVar("AnyOutcome")


class Kind(Protocol[Item, Outcome]):
    """A kind of operation."""

    def subject(self, item: Item) -> Hashable | None:
        """Return the key of the only task or booking that an operation is about.

        None keeps its place among all others.
        """
        ...

    def is_alone(self, item: Item) -> bool:
        """Whether no other process may write in the meantime; see `Backend.begin`."""
        ...

    def news(self, item: Item) -> News:
        """Return what other processes should be told once it is committed."""
        ...

    def one(self, connection: Connection, item: Item) -> Outcome:
        """Do one operation, or raise what its caller shall get.

        A savepoint is right before it, see `transaction.HERE`.
        """
        ...

    def many(self, connection: Connection, items: Sequence[Item]) -> Sequence[Outcome] | None:
        """Do several at once; None, or an error, if not all of them can go the usual way.

        What it has written then is undone, and they are done one by one.
        """
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """A function of the connection that writes; see Kind for the rest."""

    change: Callable[[Connection], Any]
    _: KW_ONLY
    alone: bool = True
    news: News = NO_NEWS


class Calls:
    """The kind of operation that is a function of the connection."""

    def subject(self, item: Call) -> None:
        """It may be about anything."""
        return None

    def is_alone(self, item: Call) -> bool:
        """See Call."""
        return item.alone

    def news(self, item: Call) -> News:
        """See Call."""
        return item.news

    def one(self, connection: Connection, item: Call) -> Any:
        """Call it."""
        return item.change(connection)

    def many(self, connection: Connection, items: Sequence[Call]) -> None:
        """Nothing is gained by doing several at once."""
        return None


@dataclass(frozen=True, slots=True, eq=False)
class _Operation:
    kind: Kind[Any, Any]
    item: Any
    subject: Hashable | None
    future: asyncio.Future[Any]


@dataclass(frozen=True, slots=True)
class _Failed:
    error: Exception


class Writer:
    """Takes operations from any event loop and writes them from a thread of its own."""

    def __init__(self, engine: Engine, backend: Backend) -> None:
        self._engine = engine
        self._backend = backend
        self._queue: SimpleQueue[_Operation | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._unhurried: list[_Operation] = []
        self._stopped = False
        self._begun: float | None = None
        self._connection: Connection | None = None
        self._thread = threading.Thread(target=self._run, name="journal-writer", daemon=True)
        self._thread.start()

    def submit(
        self, kind: Kind[AnyItem, AnyOutcome], item: AnyItem, *, hurries: bool = True
    ) -> asyncio.Future[AnyOutcome]:
        """Queue an operation; the future gets its outcome when it is committed, all errors included.

        One that does not hurry goes with the next that does, or after UNHURRIED_SECONDS.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[AnyOutcome] = loop.create_future()
        operation = _Operation(kind, item, kind.subject(item), future)
        with self._lock:
            if self._stopped:
                future.set_exception(refusals.closed())
            elif hurries:
                self._put(operation)
            else:
                if not self._unhurried:
                    loop.call_later(UNHURRIED_SECONDS, self.hurry)
                self._unhurried.append(operation)
        return future

    @property
    def backlog(self) -> Backlog:
        """What is not written yet."""
        begun = self._begun
        seconds = 0.0 if begun is None else time.monotonic() - begun
        return Backlog(writes=self._queue.qsize(), seconds=seconds)

    def stop(self) -> None:
        """Write what is queued, then end the thread; blocks until it has ended."""
        with self._lock:
            if not self._stopped:
                self._stopped = True
                self._put(None)
        self._thread.join()

    def hurry(self) -> None:
        """Write at once what does not hurry."""
        with self._lock:
            if not self._stopped:
                self._put()

    def _put(self, *operations: _Operation | None) -> None:
        for operation in (*self._unhurried, *operations):
            self._queue.put(operation)
        self._unhurried.clear()

    def _run(self) -> None:
        last = False
        while not last:
            group, last = self._next_group()
            self._begun = time.monotonic()
            while group:
                done = self._write(group)
                _resolve(done)
                written = {operation for operation, _ in done}
                group = [operation for operation in group if operation not in written]
            self._begun = None
        self._disconnect()

    def _next_group(self) -> tuple[list[_Operation], bool]:
        """Wait for an operation and return it with all that are queued behind it, and whether they are the last."""
        operation = self._queue.get()
        group: list[_Operation] = []
        while operation is not None:
            group.append(operation)
            if len(group) == GROUP_LIMIT:
                return group, False
            try:
                operation = self._queue.get_nowait()
            except Empty:
                return group, False
        return group, True

    def _write(self, group: list[_Operation]) -> list[tuple[_Operation, Any]]:
        """Return the operations of a group that it got to, at least one, with their outcomes.

        All have failed if the transaction did.
        """
        alone = any(operation.kind.is_alone(operation.item) for operation in group)
        tries = TRIES
        while True:
            tries -= 1
            committing = False
            try:
                connection = self._connection = self._connection or self._engine.connect()
                with self._backend.patience(connection):
                    transaction = Transaction(connection, self._backend, alone=alone)
                    done = _do(transaction, group, time.monotonic() + GROUP_SECONDS)
                    committing = True
                    transaction.commit(_news_of(done))
                return done
            except Exception as error:  # whatever it is, all who wait hear of it and the thread goes on
                self._disconnect()
                if not tries or not self._backend.is_worth_repeating(error, committing=committing):
                    failed = self._failed(error, committing=committing)
                    return [(operation, failed) for operation in group]

    def _failed(self, error: Exception, *, committing: bool) -> _Failed:
        is_lost = isinstance(error, TimeoutError) or (isinstance(error, DBAPIError) and error.connection_invalidated)
        before = "It is not known whether this was written: " if committing and is_lost else "Nothing was written: "
        return _Failed(refusals.unavailable(error, self._backend.remedy(error), before=before))

    def _disconnect(self) -> None:
        """Forget the connection with whatever it has open, so that the next group begins afresh."""
        if self._connection is not None:
            self._connection.invalidate()
            self._connection.close()
            self._connection = None


def failed(error: Exception) -> asyncio.Future[Any]:
    """Return a future that has this outcome, for writes that cannot even be queued."""
    future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    future.set_exception(error)
    return future


def _do(transaction: Transaction, group: list[_Operation], until: float) -> list[tuple[_Operation, Any]]:
    done: list[tuple[_Operation, Any]] = []
    for run in runs_of(group):
        outcomes = _outcomes(transaction, run[0].kind, [operation.item for operation in run], until)
        done += zip(run, outcomes, strict=False)
        if time.monotonic() > until:
            break
    return done


def _news_of(done: list[tuple[_Operation, Any]]) -> News:
    news = NO_NEWS
    for operation, outcome in done:
        if outcome and not isinstance(outcome, _Failed):  # what changed nothing is no news
            news |= operation.kind.news(operation.item)
    return news


def _outcomes(transaction: Transaction, kind: Kind[Any, Any], items: list[Any], until: float) -> list[Any]:
    """Return the outcomes of operations of one kind, or of the first of them if it is late by then."""
    if len(items) > 1:
        transaction.mark()
        together = _attempt(lambda: kind.many(transaction.connection, items))
        if together is not None and not isinstance(together, _Failed):
            return list(together)
        transaction.back()
    outcomes: list[Any] = []
    for item in items:
        outcomes.append(_single(transaction, kind, item))
        if time.monotonic() > until:
            break
    return outcomes


def _single(transaction: Transaction, kind: Kind[Any, Any], item: Any) -> Any:
    transaction.mark()
    outcome = _attempt(lambda: kind.one(transaction.connection, item))
    if isinstance(outcome, _Failed):
        transaction.back()
    return outcome


def _attempt(work: Callable[[], Any]) -> Any:
    """Return the outcome, or the error as one; raises only what makes the whole transaction fail."""
    try:
        return work()
    except VeraError as error:
        return _Failed(error)
    except DBAPIError as error:
        is_of_all = error.connection_invalidated or isinstance(error, (OperationalError, InternalError))
        if is_of_all and not refusals.is_of_one(error):
            raise
        return _Failed(refusals.not_storable(error))
    except (SQLAlchemyError, UnicodeError, OverflowError) as error:
        return _Failed(refusals.not_storable(error))
    except Exception as error:  # a fault of ours: it is its caller's to see, and must not end the thread
        return _Failed(error)


def _resolve(done: list[tuple[_Operation, Any]]) -> None:
    """Hand out the outcomes, waking each event loop once."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Any], Any]]] = {}
    for operation, outcome in done:
        by_loop.setdefault(operation.future.get_loop(), []).append((operation.future, outcome))
    for loop, pairs in by_loop.items():
        try:
            loop.call_soon_threadsafe(_settle, pairs)
        except RuntimeError:
            continue  # that loop is closed, so nobody waits there


def _settle(pairs: list[tuple[asyncio.Future[Any], Any]]) -> None:
    for future, outcome in pairs:
        if future.done():
            continue  # its caller was cancelled
        if isinstance(outcome, _Failed):
            future.set_exception(outcome.error)
        else:
            future.set_result(outcome)
