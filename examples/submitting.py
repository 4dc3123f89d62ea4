"""A batch through the API, watched until it has ended."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from typing import Any

import httpx
from rich.console import Console
from rich.live import Live

from api.command.batch_view import batch_view
from api.command.client import PREFIX
from api.command.waiting import FINAL

REFRESH_SECONDS = 0.1
SECONDS = 60
SHOWN_SECONDS = 10
"""How long a batch that has ended may have no run in Prefect: a short one can be faster than its flow run."""

Wire = dict[str, Any]


async def run_batch(url: str, tasks: Sequence[Wire], name: str, console: Console) -> Wire:
    """Submit tasks as one batch, show how it goes on, and return it as the API gives it in the end."""
    key = os.environ.get("VERA_API_KEY")
    headers = {"Authorization": f"Bearer {key}"} if key else {}  # for where one is always asked for
    async with httpx.AsyncClient(
        base_url=f"{url}{PREFIX}", headers=headers, trust_env=False, timeout=SECONDS
    ) as client:
        accepted = await client.post("/batches", json={"tasks": list(tasks), "name": name})
        batch_id = accepted.raise_for_status().json()["batch_id"]
        with Live(console=console, transient=True, auto_refresh=False) as live:
            batch = await _read(client, batch_id)
            while batch["status"] not in FINAL:
                live.update(batch_view(batch), refresh=True)
                await asyncio.sleep(REFRESH_SECONDS)
                batch = await _read(client, batch_id)
        deadline = asyncio.get_running_loop().time() + SHOWN_SECONDS
        while batch["prefect_url"] is None and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(REFRESH_SECONDS)
            batch = await _read(client, batch_id)
        return batch


async def _read(client: httpx.AsyncClient, batch_id: str) -> Wire:
    answer = await client.get(f"/batches/{batch_id}")
    return answer.raise_for_status().json()
