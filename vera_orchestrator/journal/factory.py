"""Makes the journal that a URL names."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from vera_orchestrator.errors import NotConfigured
from vera_orchestrator.journal.base import Journal
from vera_orchestrator.journal.memory import MemoryJournal
from vera_orchestrator.journal.sql import SQLJournal
from vera_orchestrator.journal.sqlite import SQLiteBackend


def make_journal(url: str) -> Journal:
    """Return the journal of a URL, not yet open.

    `sqlite:////absolute/path.db` is kept in a file, `postgresql://user@host/database` in a database that several hosts
    may share, `memory://` not at all. Raises NotConfigured for anything else.
    """
    remedy = f"Use one of {', '.join(f'{name}://' for name in _KINDS)}, as in sqlite:////absolute/path/journal.db."
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):  # their texts may hold the password
        raise NotConfigured("This is not the URL of a database.", field="database_url", remedy=remedy) from None
    factory = _KINDS.get(parsed.get_backend_name())
    if factory is None:
        raise NotConfigured(f"There is no journal for {parsed.drivername!r}.", field="database_url", remedy=remedy)
    if parsed.get_backend_name() != "sqlite" and url.count("@") > 1:  # the rest of the password would be the host
        raise NotConfigured(
            "This URL has more than one @.",
            field="database_url",
            remedy="Write what is not a letter or digit in an account or password as %XX.",
        )
    return factory(parsed)


def _postgres(url: URL) -> Journal:
    from vera_orchestrator.journal.postgres import PostgresBackend  # the driver is loaded only where it is used

    return SQLJournal(PostgresBackend(url))


_KINDS: Mapping[str, Callable[[URL], Journal]] = {
    "sqlite": lambda url: SQLJournal(SQLiteBackend(url)),
    "postgresql": _postgres,
    "memory": lambda _: MemoryJournal(),
}
