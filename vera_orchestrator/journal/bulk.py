"""A statement for many rows at once, for databases that take whole columns as arrays.

One statement for each row costs the database about ten times as much.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Dialect

PLACE = "%s"


def bulk_text(compiled: Any, dialect: Dialect) -> str | None:
    """Return the text of a compiled INSERT, UPDATE or DELETE of which each parameter is an array; None if it has none.

    Where several rows of the arrays name one row of the table it is changed once.
    """
    if dialect.name != "postgresql":
        return None
    text = str(compiled)
    names: Sequence[str] = compiled.positiontup
    parts = text.split(PLACE)
    if len(parts) != len(names) + 1:
        return None
    types = [compiled.binds[name].type.compile(dialect=dialect) for name in names]
    arrays = ", ".join(f"{PLACE}::{kind}[]" for kind in types)
    columns = [f"p{place}" for place in range(len(names))]
    source = f"unnest({arrays}) AS given ({', '.join(columns)})"
    filled = "".join(part + f"given.{column}" for part, column in zip(parts, columns, strict=False)) + parts[-1]
    if compiled.isinsert:
        head, _, values = filled.partition(" VALUES (")
        values, conflict, action = values.partition(") ON CONFLICT ")
        rest = f" ON CONFLICT {action}" if conflict else ""
        given = values if conflict else values.removesuffix(")")
        return f"{head} SELECT {given} FROM {source}{rest}" if values else None
    word = "FROM" if compiled.isupdate else "USING"
    head, found, condition = filled.partition(" WHERE ")
    return f"{head} {word} {source}{found}{condition}" if found else None
