"""`vera spend`: what language models have used, and what is left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from cyclopts import Parameter

from api.command.exits import Exit
from api.command.options import USUAL, Remote
from api.command.output import console, print_json

GROUPS = ("day", "provider", "worker_id", "model", "caller", "tag")


def spend(
    *,
    by: Annotated[str, Parameter(help="day, provider, worker, model, caller, tag; several with commas.")] = "day,model",
    since: Annotated[str | None, Parameter(help="From when on: 12h, 7d or a time.")] = None,
    until: Annotated[str | None, Parameter(help="Until when: 12h, 7d or a time.")] = None,
    remote: Remote = USUAL,
) -> int:
    """Show requests, tokens and money by day and model, and how much of each limit is used."""
    from api.command.client import Client
    from api.command.fields import moment_of

    with Client(remote) as client:
        used = client.get("/spend", by=by, since=moment_of(since), until=moment_of(until))
        limits = client.get("/limits")["limits"]
    if remote.json:
        print_json({**used, "limits": limits})
        return Exit.OK
    console().print(_used(used))
    if limits:
        console().print(_limits(limits))
    return Exit.OK


def _used(used: Mapping[str, Any]) -> Any:
    from rich.markup import escape

    from api.command.tables import plain_table

    names = [name for name in GROUPS if any(name in row for row in used["rows"])]
    rows = [
        (*(escape(str(row.get(name) or "-")) for name in names), *_amounts(row))
        for row in (*used["rows"], {**used["totals"], names[0]: "total"} if names else used["totals"])
    ]
    numbers = ("requests", "tokens", "in", "out", "cost")
    return plain_table((*(name.removesuffix("_id") for name in names), *numbers), rows, right=numbers)


def _amounts(row: Mapping[str, Any]) -> tuple[str, ...]:
    from api.command.words import money, number

    cost = row.get("cost_usd")
    return (
        number(row["requests"]),
        number(row["tokens"]),
        number(row.get("input_tokens")),
        number(row.get("output_tokens")),
        "not known" if cost is None else money(cost),
    )


def _limits(limits: Sequence[Mapping[str, Any]]) -> Any:
    from rich.markup import escape

    from api.command.tables import plain_table
    from api.command.words import moment

    rows = [
        (
            escape(f"{one['scope']} {one['name'] or ''}".strip()),
            f"{one['measure']} per {one.get('per') or one.get('window_seconds')}",
            _amount(one["measure"], one["used"]),
            _amount(one["measure"], one["limit"]),
            _amount(one["measure"], one["remaining"]),
            moment(one.get("resets_at")),
        )
        for one in limits
    ]
    return plain_table(("limit", "of", "used", "at most", "left", "again at"), rows, right=("used", "at most", "left"))


def _amount(measure: str, value: float | None) -> str:
    from api.command.words import money, number

    return money(value) if "cost" in measure else number(value)
