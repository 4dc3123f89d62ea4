"""Keys through a server or, where none runs, in the journal itself."""

from __future__ import annotations

import asyncio
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import quote

from api.command.options import Remote, home_folder

Result = TypeVar("Result")
DAY = 86_400
DATABASE = "VERA_DATABASE_URL"


class KeyAccess(ABC):
    """What can be done with keys; each answers as the API does, and raises what says why not.

    `note` says whose keys they are where nobody named a server.
    """

    note: str | None = None

    @classmethod
    def of(cls, remote: Remote) -> KeyAccess:
        """Return the way through a server that is named or runs on the state folder, else through its journal.

        Where neither a folder nor a journal is named either, a server at the usual address goes first: it is the one
        that the other commands ask.
        """
        from api.command.record import ServerFile

        if remote.url or ServerFile(home_folder()).living() or (_nothing_is_named() and _answers(remote)):
            return Served(remote)
        return Stored()

    @abstractmethod
    def create(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Make a key."""

    @abstractmethod
    def list(self) -> list[dict[str, Any]]:
        """Return all keys."""

    @abstractmethod
    def revoke(self, key_id: str) -> dict[str, Any]:
        """End a key."""


class Served(KeyAccess):
    """Keys through a server."""

    def __init__(self, remote: Remote) -> None:
        from api.command.client import Client

        self._client = Client(remote)

    def create(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """See KeyAccess."""
        with self._client as client:
            return client.post("/keys", body)

    def list(self) -> list[dict[str, Any]]:
        """See KeyAccess."""
        with self._client as client:
            return client.get("/keys")["keys"]

    def revoke(self, key_id: str) -> dict[str, Any]:
        """See KeyAccess."""
        with self._client as client:
            return client.delete(f"/keys/{quote(key_id, safe='')}")


class Stored(KeyAccess):
    """Keys in the journal that the settings name. Who may open it may do all of this; it is noted in the audit."""

    def __init__(self) -> None:
        self.note = f"No server was asked: these are the keys in the journal of {home_folder()} (VERA_HOME)."
        if os.environ.get(DATABASE):
            self.note = f"No server was asked: these are the keys in the journal that {DATABASE} names."

    def create(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """See KeyAccess."""
        from vera_orchestrator.callers import LOCAL, Scope
        from vera_orchestrator.keys import USUAL_SCOPES, Keys, NewKey

        async def made(keys: Keys) -> NewKey:
            days = body.get("expires_in_days")
            new = await keys.create(
                body["name"],
                scopes=[Scope(name) for name in body.get("scopes") or USUAL_SCOPES],
                expires_at=None if days is None else time.time() + days * DAY,
                rate_per_minute=body.get("rate_limit_per_minute"),
                weight=body["weight"],
                quota=_quota(body),
                secrets=body.get("secrets", ()),
            )
            await keys.note(LOCAL, "create_key", new.row.id, 200)
            return new

        new = _with_keys(made)
        return {**_shown(new.row), "key": new.key}

    def list(self) -> list[dict[str, Any]]:
        """See KeyAccess."""
        return [_shown(row) for row in _with_keys(lambda keys: keys.list())]

    def revoke(self, key_id: str) -> dict[str, Any]:
        """See KeyAccess."""
        from vera_orchestrator.callers import LOCAL
        from vera_orchestrator.journal.access import KeyRow
        from vera_orchestrator.keys import Keys

        async def ended(keys: Keys) -> KeyRow:
            row = await keys.revoke(key_id)
            await keys.note(LOCAL, "revoke_key", key_id, 200)
            return row

        return _shown(_with_keys(ended))


def _nothing_is_named() -> bool:
    return not (os.environ.get("VERA_HOME") or os.environ.get(DATABASE))


def _answers(remote: Remote) -> bool:
    """Return whether a server of this kind answers where commands look that are told nothing."""
    from api.command.client import Client
    from api.command.exits import CommandFailed

    try:
        with Client(remote) as client:
            found = client.get("/health")
    except CommandFailed:
        return False
    return isinstance(found, dict) and "status" in found


def _with_keys(work: Callable[[Any], Awaitable[Result]]) -> Result:
    from vera_orchestrator.keys import open_keys
    from vera_orchestrator.settings import OrchestratorConfig

    async def done() -> Result:
        async with open_keys(OrchestratorConfig()) as keys:
            return await work(keys)

    return asyncio.run(done())


def _quota(body: Mapping[str, Any]) -> Any:
    from vera_orchestrator.models import APIQuota

    given = {
        "requests_per_day": body.get("quota_requests_per_day"),
        "tokens_per_day": body.get("quota_tokens_per_day"),
        "cost_limit_per_day": body.get("quota_cost_limit_per_day"),
    }
    if all(limit is None for limit in given.values()):
        return None
    return APIQuota(requests_per_minute=None, requests_per_hour=None, **given)


def _shown(row: Any) -> dict[str, Any]:
    from api.key_models import key_object

    return key_object(row, time.time()).model_dump(mode="json")
