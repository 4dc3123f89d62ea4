"""Statements compiled once, for writes so frequent that building them each time would be most of their cost."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import ClauseElement, ColumnElement, Connection, Dialect, Select, bindparam

from vera_orchestrator.journal.bulk import bulk_text
from vera_orchestrator.journal.driver import EXECUTES, by_sqlalchemy

BULK_CHARACTERS = 16 * 1024 * 1024
"""Texts up to which rows are sent together: no database takes a statement of any length."""

MOST_KEYS = 512
"""Keys that one statement looks up at most."""


class Statement:
    """A statement as text for one dialect.

    Its bound parameters are taken from mappings by name; those that the statement gives a value to keep it, and those
    that it gives a function to are what that returns at the time.
    """

    def __init__(self, statement: ClauseElement, dialect: Dialect) -> None:
        compiled: Any = statement.compile(dialect=dialect)
        self._execute = EXECUTES.get(dialect.name, by_sqlalchemy)
        self._text = str(compiled)
        self._bulk = (
            bulk_text(compiled, dialect) if compiled.isinsert or compiled.isupdate or compiled.isdelete else None
        )
        self._names: tuple[str, ...] = tuple(compiled.positiontup)
        given = {name: compiled.binds[name] for name in self._names if not compiled.binds[name].required}
        self._constants = {name: bind.value for name, bind in given.items()}
        self._functions: dict[str, Callable[[], Any]] = {
            name: bind.callable for name, bind in given.items() if bind.callable is not None
        }

    def run(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> int:
        """Execute once per mapping; return how many rows were changed in all, or less if some are the same."""
        parameters = [self._parameters(row) for row in rows]
        if self._bulk is not None and len(rows) > 1 and _characters(parameters) <= BULK_CHARACTERS:
            columns = tuple([list(column) for column in zip(*parameters, strict=True)])
            return self._execute(connection, self._bulk, columns).rowcount
        if len(rows) == 1:
            return self._execute(connection, self._text, parameters[0]).rowcount
        return self._execute(connection, self._text, parameters, many=True).rowcount

    def fetch(self, connection: Connection, values: Mapping[str, Any]) -> Sequence[Any]:
        """Execute once; return the rows, of which only the places of the columns are sure to be known."""
        return self._execute(connection, self._text, self._parameters(values)).fetchall()

    def _parameters(self, values: Mapping[str, Any]) -> tuple[Any, ...]:
        given = {**values, **self._constants} if self._constants else values
        if self._functions:
            given = {**given, **{name: function() for name, function in self._functions.items()}}
        return tuple([given[name] for name in self._names])


class Lookup:
    """A query for the rows that have one of some keys in a column, compiled once for each power of two of keys."""

    def __init__(self, query: Select[*tuple[Any, ...]], column: ColumnElement[Any], dialect: Dialect) -> None:
        self._query = query
        self._column = column
        self._dialect = dialect
        self._by_number: dict[int, Statement] = {}

    def fetch(self, connection: Connection, keys: Collection[Any]) -> list[Any]:
        """Return the rows, in any order."""
        wanted = sorted(set(keys))
        rows: list[Any] = []
        for begin in range(0, len(wanted), MOST_KEYS):
            part = wanted[begin : begin + MOST_KEYS]
            number = 1 << (len(part) - 1).bit_length()
            part += part[-1:] * (number - len(part))
            values = {f"key_{place}": key for place, key in enumerate(part)}
            rows += self._statement(number).fetch(connection, values)
        return rows

    def _statement(self, number: int) -> Statement:
        if number not in self._by_number:
            places = [bindparam(f"key_{place}", type_=self._column.type) for place in range(number)]
            self._by_number[number] = Statement(self._query.where(self._column.in_(places)), self._dialect)
        return self._by_number[number]


def _characters(parameters: Sequence[tuple[Any, ...]]) -> int:
    return sum([len(value) for row in parameters for value in row if value.__class__ is str])
