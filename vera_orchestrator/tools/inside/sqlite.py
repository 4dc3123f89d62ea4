"""In the sandbox: read from an SQLite database."""

from __future__ import annotations

import base64
import json
import math
import sqlite3
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

MAX_ROWS = 10_000
MAX_CHARACTERS = 8_000_000

FORBIDDEN = frozenset({sqlite3.SQLITE_ATTACH, sqlite3.SQLITE_DETACH})


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Take `path` and `query`; give `columns`, `rows`, and whether there were more rows than are given."""
    try:
        connection = sqlite3.connect(_address(Path(request["path"])), uri=True)
        connection.text_factory = _text
        connection.set_authorizer(_authorize)
        cursor = connection.execute(request["query"])
        columns = [column[0] for column in cursor.description or ()]
        rows: list[list[Any]] = []
        characters = 0
        for row in cursor:
            values = [_value(value) for value in row]
            characters += sum(len(value) if isinstance(value, str) else 8 for value in values)
            if len(rows) == MAX_ROWS or characters > MAX_CHARACTERS:
                return {"value": {"columns": columns, "rows": rows, "truncated": True}}
            rows.append(values)
    except (sqlite3.Error, sqlite3.Warning) as error:
        return {"field": "query", "error": f"SQLite refused it: {error}. The database can only be read."}
    return {"value": {"columns": columns, "rows": rows, "truncated": False}}


def _address(path: Path) -> str:
    return f"file:{quote(str(path))}?mode=ro{'&immutable=1' if _rests_in_wal_mode(path) else ''}"


def _rests_in_wal_mode(path: Path) -> bool:
    """Whether a reader would have to make the files beside the database that it needs, which it cannot here.

    https://www.sqlite.org/fileformat.html: byte 18 is 2 in WAL mode. Without a -wal file nobody has it open.
    """
    with path.open("rb") as file:
        header = file.read(20)
    return header[18:19] == b"\x02" and not path.with_name(f"{path.name}-wal").exists()


def _text(raw: bytes) -> str:
    return raw.decode(errors="replace")


def _authorize(action: int, *details: str | None) -> int:
    del details
    return sqlite3.SQLITE_DENY if action in FORBIDDEN else sqlite3.SQLITE_OK


def _value(value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


if __name__ == "__main__":
    json.dump(answer(json.load(sys.stdin)), sys.stdout)
