"""Keys of the API, and the audit of what managers did."""

from __future__ import annotations

import time
from typing import Annotated

from fastapi import APIRouter, Path, Query
from starlette.requests import Request

from api.callers import Manager, concerns
from api.documents import MISSING, TOO_LARGE
from api.endpoints.common import AnyOrchestrator
from api.guard import GuardedRoute
from api.key_models import Audit, KeyList, KeyMade, KeyObject, KeyRequest, audit_entry, key_object
from api.models import Cursor
from api.pages import position
from api.responses import Json
from vera_orchestrator.errors import InvalidValue

AUDIT_LIMIT = 1_000
DAY = 86_400

router = APIRouter(route_class=GuardedRoute, tags=["access"])
KeyId = Annotated[str, Path(min_length=1, max_length=100)]


@router.get("/keys", response_model=KeyList, summary="List the keys")
async def list_keys(_: Manager, orchestrator: AnyOrchestrator) -> Json:
    """List all keys, newest first, revoked and expired ones too; never the keys themselves."""
    now = time.time()
    keys = [key_object(row, now).model_dump(mode="json") for row in await orchestrator.keys.list()]
    return Json({"keys": keys, "count": len(keys)})


@router.post("/keys", response_model=KeyMade, summary="Make a key", responses=TOO_LARGE)
async def create_key(_: Manager, request: Request, body: KeyRequest, orchestrator: AnyOrchestrator) -> Json:
    """Make a key. The answer is the only place where the whole of it is ever shown."""
    made = await orchestrator.keys.create(
        body.name,
        scopes=body.scopes,
        expires_at=expiry_of(body, time.time()),
        rate_per_minute=body.rate_limit_per_minute,
        weight=body.weight,
        quota=body.quota,
        secrets=body.secrets,
    )
    concerns(request, made.row.id)
    return Json({**key_object(made.row, time.time()).model_dump(mode="json"), "key": made.key})


@router.delete("/keys/{key_id}", response_model=KeyObject, summary="Revoke a key", responses=MISSING)
async def revoke_key(_: Manager, key_id: KeyId, orchestrator: AnyOrchestrator) -> Json:
    """Revoke a key: at once here, within a second in other processes. Its tasks go on."""
    row = await orchestrator.keys.revoke(key_id)
    return Json(key_object(row, time.time()).model_dump(mode="json"))


@router.get("/audit", response_model=Audit, summary="List management calls")
async def audit(
    _: Manager,
    orchestrator: AnyOrchestrator,
    limit: Annotated[int, Query(ge=1, le=AUDIT_LIMIT)] = 100,
    cursor: Cursor = None,
) -> Json:
    """List who changed workers and keys, newest first."""
    rows = await orchestrator.keys.audit(limit=limit, before=position(cursor))
    entries = [audit_entry(row).model_dump(mode="json") for row in rows]
    more = str(rows[-1].number) if len(rows) == limit else None
    return Json({"entries": entries, "count": len(entries), "next_cursor": more})


def expiry_of(body: KeyRequest, now: float) -> float | None:
    """Return when a key is to expire; raises InvalidValue for two times, or one without a time zone."""
    if body.expires_at is None:
        return None if body.expires_in_days is None else now + body.expires_in_days * DAY
    if body.expires_in_days is not None:
        raise InvalidValue("two times are given.", field="expires_at", remedy="Leave out this or expires_in_days.")
    if body.expires_at.tzinfo is None:
        raise InvalidValue("the time has no time zone.", field="expires_at", remedy="Write it with Z or an offset.")
    return body.expires_at.timestamp()
