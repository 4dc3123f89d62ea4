"""The journal, and Prefect with what it stands on."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import httpx

from api.command.checks.finding import Finding, broken, fine, missing
from vera_orchestrator.errors import PrefectUnavailable
from vera_orchestrator.settings import OrchestratorConfig, PrefectMode

SECONDS = 5


async def journal(config: OrchestratorConfig) -> Finding:
    """Look whether the journal can be opened."""
    url = config.journal_url
    if url.startswith("sqlite"):
        return await asyncio.to_thread(_sqlite, Path(url.partition(":///")[2]))
    if url.startswith("postgres"):
        return await _postgres(url)
    return missing("Journal", "in memory: nothing outlives the process.", "Take VERA_DATABASE_URL away.")


def _sqlite(path: Path) -> Finding:
    if not path.exists():
        return fine("Journal", f"SQLite; {path} will be made by vera up")
    try:
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=SECONDS) as connection:
            tasks = connection.execute("SELECT count(*) FROM tasks").fetchone()[0]
        connection.close()
    except sqlite3.Error as error:
        return broken("Journal", f"{path} cannot be read: {error}.", "Restore it, or move it away to begin anew.")
    return fine("Journal", f"SQLite; {path} with {tasks:,} tasks, {path.stat().st_size / 1e6:,.1f} MB")


async def _postgres(url: str) -> Finding:
    import psycopg

    scheme, _, rest = url.partition("://")
    address = f"{scheme.partition('+')[0]}://{rest}"
    place = rest.rpartition("@")[2].partition("?")[0]
    try:
        async with await psycopg.AsyncConnection.connect(address, connect_timeout=SECONDS) as connection:
            version = connection.info.server_version // 10_000
    except psycopg.Error as error:
        reason = str(error).strip().splitlines()[-1:] or [type(error).__name__]
        return broken(
            "Journal",
            f"PostgreSQL at {place} cannot be used: {reason[0]}.",
            "See whether it runs, whether the database was created, and whether VERA_DATABASE_URL is right.",
        )
    return fine("Journal", f"PostgreSQL {version} at {place}")


async def prefect(config: OrchestratorConfig) -> AsyncIterator[Finding]:
    """Look at the Prefect server, and at the database and the Redis server that settings give it."""
    if config.prefect is PrefectMode.OFF:
        yield fine("Prefect", "off (VERA_PREFECT=off)")
        return
    given = os.environ.get("PREFECT_API_URL")
    if config.prefect is PrefectMode.AUTO and given:
        yield await _given(given.rstrip("/"))
        return
    yield _embedded(config.home)
    if config.prefect_database_url is not None:
        yield await _backing(config)


async def _given(url: str) -> Finding:
    try:
        async with httpx.AsyncClient(timeout=SECONDS) as client:
            (await client.get(f"{url}/health")).raise_for_status()
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return broken(
            "Prefect",
            f"the server in PREFECT_API_URL does not answer: {type(error).__name__}.",
            "Start it, or take PREFECT_API_URL away: then one is embedded.",
        )
    return fine("Prefect", f"a server of yours at {url}")


def _embedded(home: Path) -> Finding:
    from vera_orchestrator.engine.locks import is_held
    from vera_orchestrator.engine.server_folder import ServerFolder

    folder = ServerFolder(home / "prefect")
    state = folder.read_state()
    if state is None or not folder.supervisor_lock.exists() or not is_held(folder.supervisor_lock):
        return fine("Prefect", "embedded; vera up starts it")
    return fine("Prefect", f"embedded; {state.origin} (it asks for the auth string in {folder.path / 'auth'})")


async def _backing(config: OrchestratorConfig) -> Finding:
    from vera_orchestrator.engine.backing import Backing
    from vera_orchestrator.engine.reach import check

    backing = Backing.of(config)
    places = " and ".join(filter(None, (backing.database, backing.redis)))
    try:
        await check(backing, None)
    except PrefectUnavailable as error:
        return broken("Prefect's stores", error.message, error.remedy or "See whether they run.")
    return fine("Prefect's stores", f"{places} answer")
