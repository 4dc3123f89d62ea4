"""Statements on a driver's own cursor: for SQLite, what SQLAlchemy does around one costs more than the statement."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

Execute = Callable[..., Any]
"""A function of a connection, a text, its parameters or rows of them, and `many`; returns a cursor or a result."""


def by_driver(connection: Connection, text: str, parameters: Sequence[Any] = (), *, many: bool = False) -> Any:
    """Execute on a cursor of SQLite; its errors are wrapped as SQLAlchemy does it."""
    if not connection.in_transaction():
        connection.begin()  # only so that it is known that there is something to commit
    cursor = connection.connection.cursor()
    try:
        return cursor.executemany(text, parameters) if many else cursor.execute(text, parameters)
    except sqlite3.Error as error:
        raise DBAPIError.instance(
            text, None, error, sqlite3.Error, hide_parameters=True, dialect=connection.dialect, ismulti=many
        ) from error


def by_sqlalchemy(connection: Connection, text: str, parameters: Sequence[Any] = (), *, many: bool = False) -> Any:
    """Execute with all that SQLAlchemy has around it, such as the events of other drivers."""
    return connection.exec_driver_sql(text, list(parameters) if many else tuple(parameters))


EXECUTES: dict[str, Execute] = {"sqlite": by_driver}
"""By dialect; others go by SQLAlchemy."""
