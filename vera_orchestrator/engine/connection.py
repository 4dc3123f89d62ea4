"""The client side of a Prefect server: whose it is, the settings for it, and what is read from it."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Coroutine, Mapping
from contextvars import Context, copy_context
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

import prefect.settings
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.context import SettingsContext, get_settings_context
from prefect.settings import get_current_settings

from vera_orchestrator.engine.server import EmbeddedServer
from vera_orchestrator.errors import PrefectUnavailable
from vera_orchestrator.settings import OrchestratorConfig, PrefectMode

LIMIT_PREFIXES = ("vera-", "tag:type:")
LIMITS_READ = 200
CALL_SECONDS = 5.0
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Connection:
    """A server to use: where it is, and a context with the client's settings for it.

    `embedded`: it is ours, and not one that the settings of Prefect name.
    """

    api_url: str
    ui_url: str
    context: Context
    embedded: bool


async def connect(settings: OrchestratorConfig, embedded: EmbeddedServer) -> Connection:
    """Return the connection that the settings ask for, starting the embedded server where that is meant.

    Raises PrefectUnavailable.
    """
    given = get_current_settings().api.url
    if settings.prefect is PrefectMode.AUTO and given:
        ui_url = get_current_settings().ui_url or given.removesuffix("/api")
        return Connection(api_url=given, ui_url=ui_url, context=copy_context(), embedded=False)
    address = await embedded.acquire()
    context = copy_context()
    # the server is on loopback without TLS; this spares reading the certificates for each of Prefect's clients, 20 ms
    context.run(_enter, {**address.client_settings, "PREFECT_API_TLS_INSECURE_SKIP_VERIFY": "true"})
    return Connection(api_url=address.api_url, ui_url=address.ui_url, context=context, embedded=True)


def _enter(variables: Mapping[str, str]) -> None:
    """Make client settings those of the current context, and of the thread that sends events to this server."""
    current = get_settings_context()
    updates = {getattr(prefect.settings, name): value for name, value in variables.items()}
    settings = current.settings.copy_with_update(updates=updates)
    SettingsContext(profile=current.profile, settings=settings).__enter__()


async def call(connection: Connection, read: Coroutine[Any, Any, T]) -> T:
    """Return what a coroutine reads from a server; raises PrefectUnavailable, after CALL_SECONDS at the latest."""
    task = asyncio.create_task(read, context=connection.context.copy())
    try:
        async with asyncio.timeout(CALL_SECONDS):  # not wait_for, which may swallow a cancellation in Python 3.11
            return await task
    except TimeoutError:
        raise PrefectUnavailable(f"no answer within {CALL_SECONDS:g} s.") from None
    except Exception as error:  # Prefect's client raises errors of several libraries
        raise PrefectUnavailable(f"{_text(error)}.", remedy="See whether the Prefect server runs.") from error


def _text(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".rstrip(".: ")


async def read_limits(types: Collection[str]) -> dict[str, int]:
    """Return the active global concurrency limits `vera-TYPE` (or `tag:type:TYPE`), the smaller where both are.

    Raises what the Prefect client raises.
    """
    limits: dict[str, int] = {}
    async with get_client() as client:
        found = await client.read_global_concurrency_limits(limit=LIMITS_READ)
        page = found
        while len(page) == LIMITS_READ:
            page = await client.read_global_concurrency_limits(limit=LIMITS_READ, offset=len(found))
            found += page
    for limit in found:
        for prefix in LIMIT_PREFIXES:
            name = limit.name.removeprefix(prefix)
            if name != limit.name and limit.active and name in types:
                limits[name] = min(limit.limit, limits.get(name, limit.limit))
    return limits


async def read_cancelled(flow_run_ids: Collection[UUID]) -> set[UUID]:
    """Return those of the flow runs that somebody cancelled; raises what the Prefect client raises."""
    async with get_client() as client:
        found = FlowRunFilter(id=FlowRunFilterId(any_=list(flow_run_ids)))
        runs = await client.read_flow_runs(flow_run_filter=found)
    return {run.id for run in runs if run.state is not None and (run.state.is_cancelling() or run.state.is_cancelled())}
