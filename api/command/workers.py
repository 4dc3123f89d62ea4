"""`vera workers`: who runs the tasks."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from getpass import getpass
from typing import Annotated, Any
from urllib.parse import quote

from cyclopts import App, Parameter

from api.command.exits import CommandFailed, Exit
from api.command.options import USUAL, Remote
from api.command.output import console, print_json, tell

workers = App(name="workers", help="Workers: list, drain, resume, remove, register.")


@workers.default
@workers.command(name="list")
def list_workers(*, remote: Remote = USUAL) -> int:
    """List the workers, and why those that are down are down."""
    from api.command.client import Client
    from api.command.status_view import workers_view

    with Client(remote) as client:
        found = client.get("/workers/list")
    if remote.json:
        print_json(found)
    else:
        console().print(workers_view(found["workers"]))
    return Exit.OK


@workers.command
def drain(worker_id: str, /, *, remote: Remote = USUAL) -> int:
    """Let a worker end what it runs and take nothing new, until it is resumed.

    Parameters
    ----------
    worker_id
        The worker.
    """
    return _change(remote, "POST", worker_id, "/drain")


@workers.command
def resume(worker_id: str, /, *, remote: Remote = USUAL) -> int:
    """Let a drained worker take tasks again.

    Parameters
    ----------
    worker_id
        The worker.
    """
    return _change(remote, "POST", worker_id, "/resume")


@workers.command
def remove(worker_id: str, /, *, remote: Remote = USUAL) -> int:
    """Take a worker away; its tasks go to others.

    Parameters
    ----------
    worker_id
        The worker.
    """
    return _change(remote, "DELETE", worker_id)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Registration:
    """What a new worker needs beside its kind."""

    id: Annotated[str | None, Parameter(help="Id of a remote worker; else its address.")] = None
    key_from: Annotated[
        str | None, Parameter(help="Variable that holds the provider's key or the node's token; else it is asked for.")
    ] = None
    model: Annotated[str | None, Parameter(help="Model of tasks that name none.")] = None
    rate: Annotated[int | None, Parameter(help="Requests per minute.")] = None
    requests_per_day: Annotated[int | None, Parameter(help="Requests per day.")] = None
    tokens_per_day: Annotated[int | None, Parameter(help="Tokens per day.")] = None
    cost_per_day: Annotated[float | None, Parameter(help="USD per day.")] = None


NOTHING = Registration()
"""Nothing was given."""


@workers.command
def register(kind: str, address: str | None = None, /, *, given: Registration = NOTHING, remote: Remote = USUAL) -> int:
    """Add a provider of language models, or a remote node: vera workers register remote http://10.0.0.5:9000.

    Parameters
    ----------
    kind
        openai, anthropic, gemini, or remote.
    address
        Address of the node; of a provider only where it is not the usual one.
    """
    from api.command.client import Client

    if kind == "remote" and address is None:
        raise CommandFailed(
            Exit.USAGE, "a remote node needs its address.", "vera workers register remote http://HOST:PORT"
        )
    secret = _secret(kind, given.key_from)
    if kind != "remote" and not secret:
        raise CommandFailed(Exit.USAGE, "no key was given.", "Name a variable that holds it: --key-from VARIABLE.")
    with Client(remote) as client:
        if kind == "remote":
            body = {"remote_url": address, "worker_id": given.id, "auth_token": secret or None}
            answer = client.post("/workers/remote/register", _without_none(body))
        else:
            answer = client.post("/workers/llm-api/register", _without_none(_provider(kind, address, secret, given)))
    tell(remote, answer, [f"{answer['worker_id']}: {answer['message']}"])
    return Exit.OK


def _provider(kind: str, address: str | None, secret: str, given: Registration) -> dict[str, Any]:
    return {
        "api_type": kind,
        "api_key": secret,
        "base_url": address,
        "default_model": given.model,
        "rate_limit_per_minute": given.rate,
        "quota_requests_per_day": given.requests_per_day,
        "quota_tokens_per_day": given.tokens_per_day,
        "quota_cost_limit_per_day": given.cost_per_day,
    }


def _secret(kind: str, variable: str | None) -> str:
    """Return a secret that is never an argument, as arguments are seen by everybody on the machine."""
    if variable is not None:
        if variable not in os.environ:
            raise CommandFailed(Exit.USAGE, f"there is no variable {variable}.", "Set it, or leave --key-from out.")
        return os.environ[variable]
    if sys.stdin.isatty():
        asked = "Token of the node (empty: none): " if kind == "remote" else f"Key for {kind}: "
        return getpass(asked).strip()
    return sys.stdin.readline().strip()


def _without_none(body: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if value is not None}


def _change(remote: Remote, method: str, worker_id: str, what: str = "") -> int:
    from api.command.client import Client

    path = f"/workers/{quote(worker_id, safe='')}{what}"
    with Client(remote) as client:
        answer = client.delete(path) if method == "DELETE" else client.post(path)
    tell(remote, answer, [f"{answer['worker_id']}: {answer['message']}"])
    return Exit.OK
