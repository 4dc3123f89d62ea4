"""`vera history`: tasks, newest first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from cyclopts import Parameter
from rich.markup import escape

from api.command.exits import Exit
from api.command.options import USUAL, Remote
from api.command.output import console, print_json


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Filter:
    """Which tasks."""

    limit: Annotated[int, Parameter(help="How many.", show_default=True)] = 20
    status: Annotated[str | None, Parameter(help="Only those with this status: failed, completed, running ...")] = None
    type: Annotated[str | None, Parameter(help="Only those of this type.")] = None
    tag: Annotated[str | None, Parameter(help="Only those with this tag.")] = None
    batch: Annotated[str | None, Parameter(help="Only those of this batch.")] = None
    worker: Annotated[str | None, Parameter(help="Only those that this worker has run.")] = None
    caller: Annotated[str | None, Parameter(help="Only those of this key.")] = None
    since: Annotated[str | None, Parameter(help="Only those submitted since: 30m, 2h, 7d or a time.")] = None
    until: Annotated[str | None, Parameter(help="Only those submitted before: 30m, 2h, 7d or a time.")] = None
    cursor: Annotated[str | None, Parameter(help="Go on where an earlier answer ended.")] = None


WIDE = 100
"""Characters that a line must have for workers and times."""
EVERYTHING = Filter()
"""Nothing was given."""


def history(*, filters: Filter = EVERYTHING, remote: Remote = USUAL) -> int:
    """List tasks, newest first."""
    from api.command.client import Client
    from api.command.fields import moment_of

    with Client(remote) as client:
        found = client.get(
            "/tasks/history",
            limit=filters.limit,
            status=filters.status,
            type=filters.type,
            tag=filters.tag,
            batch_id=filters.batch,
            worker_id=filters.worker,
            caller=filters.caller,
            since=moment_of(filters.since),
            until=moment_of(filters.until),
            cursor=filters.cursor,
            brief=None if remote.json else "true",
        )
    if remote.json:
        print_json(found)
        return Exit.OK
    _show(found)
    return Exit.OK


def _show(found: Mapping[str, Any]) -> None:
    from api.command.tables import plain_table
    from api.command.words import coloured, duration, moment

    screen = console()
    columns = ("submitted", "task", "status", "worker", "time", "what")
    rows: list[tuple[str, ...]] = []
    for task in found["tasks"]:
        result: Mapping[str, Any] = task["result"] or {}
        time = result.get("execution_time_ms")
        rows.append(
            (
                moment(task["submitted_at"]),
                escape(task["id"]),
                coloured(task["status"]),
                escape(result.get("worker_id") or ""),
                duration(time / 1_000) if time else "",
                escape(_what(task, result)),
            )
        )
    if screen.width < WIDE:
        columns, rows = (*columns[:3], columns[5]), [(*row[:3], row[5]) for row in rows]
    screen.print(plain_table(columns, rows, right=("time",), wide="what") if rows else "There is no such task.")
    if found.get("next_cursor"):
        screen.print(f"There are more: --cursor {found['next_cursor']}", soft_wrap=True, markup=False)


def _what(task: Mapping[str, Any], result: Mapping[str, Any]) -> str:
    from api.command.words import one_line, why

    fault = why(result.get("error") or task.get("status_reason"))
    return " ".join(filter(None, (f"{fault}:" if fault else "", task["type"], one_line(task.get("summary")))))
