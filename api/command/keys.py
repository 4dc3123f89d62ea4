"""`vera keys`: who may call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter

from api.command.exits import Exit
from api.command.options import USUAL, Remote
from api.command.output import console, error_console, print_json

ScopeName = Literal["submit", "read", "manage"]

keys = App(
    name="keys", help="API keys: create, list, revoke. Without a running server they are changed in the journal."
)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class KeyOptions:
    """What a new key allows, and how much of it."""

    scope: Annotated[
        tuple[ScopeName, ...], Parameter(help="What it allows; submit and read if not given. Can be repeated.")
    ] = ()
    expires_in_days: Annotated[float | None, Parameter(help="Days until it expires; never if not given.")] = None
    rate: Annotated[int | None, Parameter(help="Tasks per minute that it may submit.")] = None
    secret: Annotated[
        tuple[str, ...],
        Parameter(help="A named secret that its tasks may use, '*' for all; none if not given. Can be repeated."),
    ] = ()
    weight: Annotated[float, Parameter(help="Turns that it takes where others take one.", show_default=True)] = 1.0
    requests_per_day: Annotated[int | None, Parameter(help="Requests to language models per day.")] = None
    tokens_per_day: Annotated[int | None, Parameter(help="Tokens per day.")] = None
    cost_per_day: Annotated[float | None, Parameter(help="USD per day.")] = None

    def body(self, name: str) -> dict[str, Any]:
        """Return what was given, as the API names it."""
        given = {
            "name": name,
            "scopes": list(self.scope) or None,
            "expires_in_days": self.expires_in_days,
            "rate_limit_per_minute": self.rate,
            "weight": self.weight,
            "secrets": list(self.secret) or None,
            "quota_requests_per_day": self.requests_per_day,
            "quota_tokens_per_day": self.tokens_per_day,
            "quota_cost_limit_per_day": self.cost_per_day,
        }
        return {field: value for field, value in given.items() if value is not None}


USUAL_KEY = KeyOptions()
"""Nothing was given."""


@keys.command
def create(name: str, /, *, options: KeyOptions = USUAL_KEY, remote: Remote = USUAL) -> int:
    """Make a key and write it, this once.

    Parameters
    ----------
    name
        What it is for.
    """
    from api.command.key_access import KeyAccess

    access = KeyAccess.of(remote)
    made = access.create(options.body(name))
    if remote.json:
        print_json(made)
        return Exit.OK
    note = f" {access.note}" if access.note else ""
    error_console().print(
        f"Key {made['key_id']} for {', '.join(made['scopes'])}. It is shown this once; send it as "
        f"Authorization: Bearer KEY, or set VERA_API_KEY.{note}",
        soft_wrap=True,
        markup=False,
    )
    console().print(made["key"], soft_wrap=True, markup=False)
    return Exit.OK


@keys.default
@keys.command(name="list")
def list_keys(*, remote: Remote = USUAL) -> int:
    """List the keys, without their secrets."""
    from api.command.key_access import KeyAccess

    access = KeyAccess.of(remote)
    found = access.list()
    if access.note and not remote.json:
        error_console().print(access.note, soft_wrap=True, markup=False)
    if remote.json:
        print_json({"keys": found, "count": len(found)})
    elif found:
        from api.command.key_view import keys_view

        console().print(keys_view(found))
    else:
        console().print("There is no key. Make one with vera keys create NAME.")
    return Exit.OK


@keys.command
def revoke(key_id: str, /, *, remote: Remote = USUAL) -> int:
    """End a key; its tasks go on.

    Parameters
    ----------
    key_id
        The id, as vera keys list shows it; not the key itself.
    """
    from api.command.key_access import KeyAccess

    ended = KeyAccess.of(remote).revoke(key_id)
    if remote.json:
        print_json(ended)
    else:
        console().print(f"{ended['key_id']} ({ended['name']}) is revoked.", soft_wrap=True, markup=False)
    return Exit.OK
