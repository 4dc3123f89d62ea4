"""Data in text form, and databases in the workspace."""

from __future__ import annotations

import csv
import io
import json
from typing import Annotated, Any, NoReturn

from pydantic import Field

from vera_orchestrator.errors import InvalidPayload
from vera_orchestrator.tools.context import ToolContext
from vera_orchestrator.tools.sandboxed import ask_helper
from vera_orchestrator.tools.workspace import locate, open_file

DELIMITERS = ",;\t|"
QUERY_SECONDS = 30


def parse_json(text: Annotated[str, Field(description="A JSON value.")]) -> Any:
    """Return the value that a JSON text stands for; NaN and infinities are not JSON."""
    try:
        return json.loads(text, parse_constant=_no_constant)
    except RecursionError:
        raise _not("JSON", "it is nested too deeply") from None
    except ValueError as error:
        raise _not("JSON", str(error)) from None


def csv_to_json(
    text: Annotated[str, Field(description="Rows with a header; separated by comma, semicolon, tab or bar.")],
) -> list[dict[str, Any]]:
    """Turn CSV text into one object per row, keyed by the header; values stay text, missing ones become null.

    The separator is the one that the header has most of. A name that comes again gets a number (`name_2`); values
    beyond the header are in `extra`.
    """
    text = text.removeprefix("\ufeff")
    header_line = text.lstrip("\r\n").partition("\n")[0]
    delimiter = max(DELIMITERS, key=header_line.count)
    try:
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True) if row]
    except csv.Error as error:
        raise _not("CSV", str(error)) from None
    if not rows:
        return []
    header = _distinct([name.strip() for name in rows[0]])
    return [_object(header, row) for row in rows[1:]]


async def sqlite_query(
    path: Annotated[str, Field(description="Path of an SQLite database in the workspace.")],
    query: Annotated[str, Field(description="One SQL statement that reads.")],
    context: ToolContext,
) -> dict[str, Any]:
    """Run a reading SQL statement on an SQLite database: columns, rows (at most 10,000), and how many were left out.

    Nothing can be written and no other database attached. Blobs come as base64 text. Ends after 30 seconds.
    """
    root = context.workspace
    place = locate(root, path)
    with open_file(root, place.parts):  # says what is wrong with the path before a sandbox is made
        pass
    return await ask_helper(
        context,
        "sqlite",
        {"path": str(root / place), "query": query},
        seconds=QUERY_SECONDS,
        remedy="Narrow the query.",
        root=root,
    )


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON value")


def _not(what: str, reason: str) -> InvalidPayload:
    return InvalidPayload(f"The text is not {what}: {reason}.", field="payload.tool_input.text", remedy="Correct it.")


def _distinct(names: list[str]) -> list[str]:
    taken = set(names)
    seen: set[str] = set()
    distinct: list[str] = []
    for name in names:
        chosen, number = name, 1
        while chosen in seen or (number > 1 and chosen in taken):
            number += 1
            chosen = f"{name}_{number}"
        seen.add(chosen)
        distinct.append(chosen)
    return distinct


def _object(header: list[str], row: list[str]) -> dict[str, Any]:
    values: list[str | None] = [*row, *[None] * (len(header) - len(row))]
    made: dict[str, Any] = dict(zip(header, values, strict=False))
    if len(row) > len(header):
        made["extra"] = row[len(header) :]
    return made


TOOLS = (parse_json, csv_to_json, sqlite_query)
