"""Statements compiled once, for writes so frequent that building them each time would be most of their cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ClauseElement, Connection, Dialect

from vera_orchestrator.journal.bulk import bulk_text

BULK_CHARACTERS = 16 * 1024 * 1024
"""Texts up to which rows are sent together: no database takes a statement of any length."""


class Statement:
    """A statement as text for one dialect.

    Its bound parameters are taken from mappings by name; those that the statement gives a value to keep it.
    """

    def __init__(self, statement: ClauseElement, dialect: Dialect) -> None:
        compiled: Any = statement.compile(dialect=dialect)
        self._text = str(compiled)
        self._bulk = (
            bulk_text(compiled, dialect) if compiled.isinsert or compiled.isupdate or compiled.isdelete else None
        )
        self._names: tuple[str, ...] = tuple(compiled.positiontup)
        self._constants = {
            name: compiled.binds[name].value for name in self._names if not compiled.binds[name].required
        }

    def run(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> int:
        """Execute once per mapping; return how many rows were changed in all, or less if some are the same."""
        parameters = [self._parameters(row) for row in rows]
        if self._bulk is not None and len(rows) > 1 and _characters(parameters) <= BULK_CHARACTERS:
            columns = tuple([list(column) for column in zip(*parameters, strict=True)])
            return connection.exec_driver_sql(self._bulk, columns).rowcount
        return connection.exec_driver_sql(self._text, parameters[0] if len(rows) == 1 else parameters).rowcount

    def fetch(self, connection: Connection, values: Mapping[str, Any]) -> Sequence[Any]:
        """Execute once; return the rows."""
        return connection.exec_driver_sql(self._text, self._parameters(values)).fetchall()

    def _parameters(self, values: Mapping[str, Any]) -> tuple[Any, ...]:
        given = {**values, **self._constants} if self._constants else values
        return tuple([given[name] for name in self._names])


def _characters(parameters: Sequence[tuple[Any, ...]]) -> int:
    return sum([len(value) for row in parameters for value in row if value.__class__ is str])
