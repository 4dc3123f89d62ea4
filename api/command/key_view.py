"""Keys in a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.markup import escape
from rich.table import Table

from api.command.tables import plain_table
from api.command.words import moment, money, number

COLOURS = {"active": "green", "expired": "yellow", "revoked": "red"}


def keys_view(keys: Sequence[Mapping[str, Any]]) -> Table:
    """Return the keys with what they allow."""
    rows = [
        (
            key["key_id"],
            escape(key["name"]),
            f"[{COLOURS[key['status']]}]{key['status']}[/]",
            ", ".join(key["scopes"]),
            moment(key["created_at"]),
            moment(key["expires_at"]) or "never",
            _limits(key),
        )
        for key in keys
    ]
    return plain_table(
        ("key", "name", "status", "scopes", "made", "expires", "limits and secrets"),
        rows,
        wide="limits and secrets",
        folds=True,
    )


def _secrets(names: Sequence[str]) -> str:
    if not names:
        return "no secrets"
    return "all secrets" if "*" in names else f"secrets {', '.join(names)}"


def _limits(key: Mapping[str, Any]) -> str:
    per_day = {
        "requests": number(key["quota_requests_per_day"]),
        "tokens": number(key["quota_tokens_per_day"]),
        "USD": money(key["quota_cost_limit_per_day"]),
    }
    limits = [f"{amount} {name} a day" for name, amount in per_day.items() if amount]
    if key["rate_limit_per_minute"] is not None:
        limits.insert(0, f"{number(key['rate_limit_per_minute'])} tasks a minute")
    if key["weight"] != 1:
        limits.append(f"weight {key['weight']:g}")
    limits.append(_secrets(key["secrets"]))
    return ", ".join(limits)
