"""The SQL journal in a PostgreSQL database, which processes on several hosts may share."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import psycopg
from sqlalchemy import URL, ColumnElement, Connection, Engine, Float, cast, create_engine, event, extract, func
from sqlalchemy.exc import DBAPIError

from vera_orchestrator.journal.backend import Backend, Listener
from vera_orchestrator.journal.postgres_news import CHANNEL, PostgresListener
from vera_orchestrator.journal.records import NO_NEWS, News
from vera_orchestrator.journal.watchdog import Watchdog

SILENT_SECONDS = 10.0
"""How long the database may leave a transaction or a query without an answer."""

WRITERS_LOCK = 0x7665_7261  # "vera"; an advisory lock belongs to one database

_TOUCH = "vera_touch"
"""Under which a connection keeps what renews the watchdog's patience."""

_SESSION = {
    # A process that is stopped in the middle of a transaction must not hold up the others.
    "idle_in_transaction_session_timeout": "3s",
    "statement_timeout": "60s",
    "tcp_user_timeout": "10s",
}
_CONNECT = {
    "connect_timeout": 5,
    "application_name": "vera-orchestrator",
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
_REMEDIES = {
    "42501": "Let the user of database_url create tables in the schema, or make it the owner of the database.",
    "55P03": "Another transaction keeps it waiting; end that one (pg_stat_activity shows it) and try again.",
}
UNDONE = ("40001", "40P01", "25P03")
"""Serialization failure, deadlock, idle in a transaction for too long: the server has undone it, even at its commit."""

ENDING = ("57P01", "57P02", "57P05")
"""The server ends the connection: it shuts down, has crashed, or the session was idle."""


class PostgresBackend(Backend):
    """A PostgreSQL database, by psycopg 3."""

    driver_errors = (psycopg.Error, OSError)

    def __init__(self, url: URL, *, silent_seconds: float = SILENT_SECONDS) -> None:
        self._url = url.set(drivername="postgresql+psycopg")
        self._sender = secrets.token_hex(8)
        self._watchdog = Watchdog(silent_seconds)
        self._patience_ms = int(silent_seconds * 1_000)

    def prepare(self) -> None:
        """Do nothing: the database is its administrator's to make."""

    def engine(self) -> Engine:
        """Return an engine; a connection that the server has dropped is noticed at its next use."""
        engine = create_engine(
            self._url,
            connect_args=_CONNECT,
            paramstyle="format",
            isolation_level="AUTOCOMMIT",  # `beginning` begins transactions; a query needs none
            pool_size=5,
            max_overflow=-1,
            hide_parameters=True,
        )
        event.listen(engine, "connect", self._configure)
        for turn in ("before_cursor_execute", "after_cursor_execute"):
            event.listen(engine, turn, _touch)
        return engine

    def _configure(self, connection: psycopg.Connection[Any], _record: object) -> None:
        """Set the limits of a session; here and not in the address, as not every pooler in between takes them there."""
        # Locks are waited for a little shorter than for any answer: then the reason is known.
        limits = {**_SESSION, "lock_timeout": str(self._patience_ms * 4 // 5)}
        settings = ", ".join(f"set_config('{name}', '{value}', false)" for name, value in limits.items())
        try:
            with self._watchdog.watch(connection.fileno()):
                connection.execute(f"SELECT {settings}".encode())
        except BaseException:
            connection.close()  # the pool does not know it yet
            raise

    def opening(self) -> AbstractContextManager[None]:
        """Do nothing: `begin` keeps other processes from migrating meanwhile."""
        return nullcontext()

    def beginning(self, *, alone: bool) -> Sequence[str]:
        """Take the lock of all writers, shared or not; it is the first lock of each transaction."""
        kind = "" if alone else "_shared"
        # What is counted or looked up behind the lock has to be what the others wrote before, whatever the default is.
        return "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE", f"SELECT pg_advisory_xact_lock{kind}({WRITERS_LOCK})"

    def beginning_of_migration(self) -> Sequence[str]:
        """Let it take its time, but not wait long for locks: whatever comes then waits behind it."""
        begin, lock = self.beginning(alone=True)
        endless = [f"SET LOCAL {name} = 0" for name in ("statement_timeout", "idle_in_transaction_session_timeout")]
        return begin, *endless, f"SET LOCAL lock_timeout = {self._patience_ms // 2}", lock

    def script(self, connection: Connection, *statements: str) -> None:
        """Send all of them at once: it is the way there and back that costs."""
        connection.exec_driver_sql("; ".join(statements))

    def commit(self, connection: Connection, news: News) -> None:
        """Commit with the notification for those who listen."""
        if news is not NO_NEWS:
            self.script(connection, f"NOTIFY {CHANNEL}, '{self._sender} {news.value}'", "COMMIT")
        connection.commit()

    def now(self) -> ColumnElement[float]:
        """Return the server's time."""
        return cast(extract("epoch", func.clock_timestamp()), Float)

    @contextmanager
    def patience(self, connection: Connection) -> Generator[None]:
        """Cut the connection after a while without an answer: a server that has become unreachable may never say so."""
        driver: psycopg.Connection[Any] | None = connection.connection.driver_connection
        assert driver is not None
        facts = connection.info  # after an error the connection may have none any more
        with self._watchdog.watch(driver.fileno()) as touch:
            facts[_TOUCH] = touch
            try:
                yield
            finally:
                facts.pop(_TOUCH, None)

    def is_worth_repeating(self, error: Exception, *, committing: bool = False) -> bool:
        """Whether the connection was found dead, or the transaction fell victim to another."""
        if not isinstance(error, DBAPIError):
            return False
        if _code(error) in UNDONE:
            return True
        return not committing and (error.connection_invalidated or _code(error) in ENDING)

    def remedy(self, error: Exception) -> str:
        """Name the database and what it needs."""
        special = _REMEDIES.get(_code(error) or "")
        # The address may carry secrets in its options, too.
        shown = self._url.set(drivername="postgresql", password=None, query={}).render_as_string()
        return special or f"Check that {shown} runs and exists, lets this user in and has room, or set database_url."

    def listener(self, told: Callable[[News], None]) -> Listener:
        """Return a listener with a connection of its own."""
        _, arguments = self.engine().dialect.create_connect_args(self._url)
        return PostgresListener({**arguments, **_CONNECT}, self._sender, told)


def _touch(connection: Connection, *_: object) -> None:
    """Begin the time for an answer anew: a statement is about to be sent, or was answered."""
    touch: Callable[[], None] | None = connection.info.get(_TOUCH)
    if touch is not None:
        touch()


def _code(error: Exception) -> str | None:
    """Return the five characters by which PostgreSQL names an error."""
    return getattr(error.orig if isinstance(error, DBAPIError) else error, "sqlstate", None)
