"""Sends the messages of the outbox, again until they arrive."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable
from typing import Any

import httpx
import orjson

from vera_orchestrator.errors import NotAllowed, VeraError
from vera_orchestrator.http.client import guarded_client
from vera_orchestrator.http.verdict import retry_after
from vera_orchestrator.journal.base import Journal
from vera_orchestrator.journal.outbox import Delivery
from vera_orchestrator.models import utcnow
from vera_orchestrator.runtime.attempt import NOT_ITS_SECRET, AllowedSecrets
from vera_orchestrator.runtime.codec import legible_task, to_datetime
from vera_orchestrator.runtime.telling import BATCH
from vera_orchestrator.secrets import Sealer, check_allowed, has_reference
from vera_orchestrator.settings import OrchestratorConfig
from vera_orchestrator.webhooks import GONE, headers_of, next_attempt

AT_ONCE = 20
"""Messages that are under way at most."""
ATTEMPT_SECONDS = 15.0
CLAIM_SECONDS = 60.0
"""For how long a message is its sender's; should that die, another sends it then."""
LOOK_SECONDS = 5.0
"""How often to look for what other processes have left behind."""
JITTER = 0.1

logger = logging.getLogger(__name__)


class Undelivered(Exception):
    """An attempt that has failed; `is_final` says that another one cannot succeed."""

    def __init__(self, reason: str, *, is_final: bool = False, retry_after: float | None = None) -> None:
        self.is_final = is_final
        self.retry_after = retry_after
        super().__init__(reason)


class Deliverer:
    """Sends what is due: `wake` when something was written, `look` again and again, `finish` at the end.

    `allowed` returns the named secrets that tasks of a key may use.
    """

    def __init__(
        self,
        settings: OrchestratorConfig,
        journal: Journal,
        sealer: Sealer,
        allowed: AllowedSecrets,
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._journal = journal
        self._sealer = sealer
        self._allowed = allowed
        self._now = now
        self._woken = asyncio.Event()
        self._under_way: set[asyncio.Task[None]] = set()
        self._client: httpx.AsyncClient | None = None

    def wake(self) -> None:
        """Look soon."""
        self._woken.set()

    async def look(self) -> None:
        """Begin to send what is due, then wait until something else may be."""
        self._woken.clear()
        due_at = await self._begin_due()
        pause = LOOK_SECONDS if due_at is None else min(LOOK_SECONDS, max(0.0, due_at - self._now()))
        if len(self._under_way) >= AT_ONCE:
            await asyncio.wait(self._under_way, return_when=asyncio.FIRST_COMPLETED)
            return
        try:
            async with asyncio.timeout(pause):
                await self._woken.wait()
        except TimeoutError:
            return

    async def _begin_due(self) -> float | None:
        """Begin to send what is due, and return when something is the next time."""
        due_at = await self._journal.outbox.next_due()
        if due_at is None or due_at > self._now():  # to claim is to write, which an idle journal is spared
            return due_at
        await self.begin()
        return await self._journal.outbox.next_due()

    async def begin(self) -> None:
        """Begin to send what is due, as much as may be under way; that goes on although its caller is cancelled."""
        beginning = asyncio.create_task(self._begin(), name="vera-webhooks")
        self._under_way.add(beginning)  # what is claimed must be sent, or it would wait for the end of the claim
        beginning.add_done_callback(self._over)
        await asyncio.shield(beginning)

    async def _begin(self) -> None:
        room = AT_ONCE + 1 - len(self._under_way)
        if room <= 0:
            return
        now = self._now()
        for delivery in await self._journal.outbox.claim(now=now, until=now + CLAIM_SECONDS, limit=room):
            task = asyncio.create_task(self._deliver(delivery), name="vera-webhook")
            self._under_way.add(task)
            task.add_done_callback(self._over)

    def _over(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            task.exception()  # whoever waits for it has it too

    async def settle(self) -> None:
        """Wait for what is under way."""
        while self._under_way:
            await asyncio.wait(self._under_way)

    async def finish(self, seconds: float) -> None:
        """Send what is due, for so long at most, and close the connections.

        What is under way then is sent by whoever runs when it is due again.
        """
        try:
            async with asyncio.timeout(seconds):
                await self._begin_due()
                await self.settle()
        except (TimeoutError, VeraError) as error:
            logger.info("messages remain for the next start: %r", error)
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def _deliver(self, delivery: Delivery) -> None:
        try:
            await self._send(delivery)
        except Undelivered as problem:
            await self._failed(delivery, problem)
        except VeraError as error:
            await self._failed(delivery, Undelivered(str(error), is_final=isinstance(error, NotAllowed)))
        except Exception as error:  # a receiver may do anything; what failed is tried again
            logger.exception("a message could not be sent")
            await self._failed(delivery, Undelivered(f"{type(error).__name__}: {error}"))
        else:
            await self._noted(self._journal.outbox.delivered(delivery.id, self._now()))

    async def _failed(self, delivery: Delivery, problem: Undelivered) -> None:
        attempts = delivery.attempts + 1
        due_at = None
        if not problem.is_final:
            due_at = next_attempt(
                attempts=attempts, created_at=delivery.created_at, now=self._now(), retry_after=problem.retry_after
            )
        if due_at is None:
            logger.warning("a message to %s is given up after %d attempts: %s", _host(delivery), attempts, problem)
        else:
            due_at += random.uniform(0, JITTER) * (due_at - self._now())
        await self._noted(self._journal.outbox.failed(delivery.id, error=str(problem)[:1_000], due_at=due_at))

    async def _noted(self, write: Any) -> None:
        try:
            await write
        except VeraError as error:  # it is due again when the claim ends, and may arrive twice
            logger.warning("what became of a message cannot be written: %s", error)

    async def _send(self, delivery: Delivery) -> None:
        body = orjson.dumps(await self._content(delivery), default=str, option=orjson.OPT_NON_STR_KEYS)
        headers = headers_of(delivery.id, body.decode(), utcnow(), await self._secret(delivery))
        if self._client is None:
            self._client = await asyncio.to_thread(self._connected)
        try:
            async with (
                asyncio.timeout(ATTEMPT_SECONDS),
                self._client.stream(
                    "POST", delivery.url, content=body, headers={**headers, "content-type": "application/json"}
                ) as response,
            ):
                _check(response)
        except TimeoutError:
            raise Undelivered(f"no answer within {ATTEMPT_SECONDS:g} s") from None
        except httpx.HTTPError as error:
            raise Undelivered(f"{type(error).__name__}: {error}") from None

    def _connected(self) -> httpx.AsyncClient:
        return guarded_client(self._settings, follow_redirects=False, headers={"user-agent": "vera-orchestrator"})

    async def _secret(self, delivery: Delivery) -> str | None:
        if delivery.secret is None:
            own = self._settings.webhook_secret
            return None if own is None else own.get_secret_value()
        webhook = {"secret": orjson.loads(delivery.secret)}
        if has_reference(webhook):
            for caller in await self._callers(delivery):
                check_allowed(webhook, await self._allowed(caller), place="webhook", remedy=NOT_ITS_SECRET)
        return self._sealer.open(webhook).payload["secret"]

    async def _callers(self, delivery: Delivery) -> set[str | None]:
        key = delivery.subject
        if _is_batch(delivery):
            return {row.caller for row in await self._journal.batch_tasks(key)}
        return {row.caller for row in (await self._journal.rows((key,))).values()}

    async def _content(self, delivery: Delivery) -> dict[str, Any]:
        data = await (self._batch(delivery.subject) if _is_batch(delivery) else self._task(delivery.subject))
        if data is None:
            raise Undelivered("it is no longer in the journal", is_final=True)
        at = to_datetime(delivery.created_at)
        return {"type": delivery.kind, "timestamp": at.isoformat() if at else None, "data": data}

    async def _task(self, key: int) -> dict[str, Any] | None:
        row = (await self._journal.rows((key,))).get(key)
        if row is None:
            return None
        return {name: value for name, value in legible_task(row).to_dict().items() if name != "payload"}

    async def _batch(self, key: int) -> dict[str, Any] | None:
        row = await self._journal.batch_by_key(key)
        if row is None:
            return None
        tasks = await self._journal.batch_tasks(key)
        counts: dict[str, int] = {}
        for one in tasks:
            counts[str(one.status)] = counts.get(str(one.status), 0) + 1
        submitted, completed = to_datetime(row.submitted_at), to_datetime(row.completed_at)
        return {
            "batch_id": row.id,
            "status": str(row.status),
            "submitted_at": submitted.isoformat() if submitted else None,
            "completed_at": completed.isoformat() if completed else None,
            "counts": counts,
            "tasks": [{"id": one.id, "status": str(one.status), "error": one.error} for one in tasks],
        }


def _is_batch(delivery: Delivery) -> bool:
    return delivery.kind.startswith(f"{BATCH}.")


def _check(response: httpx.Response) -> None:
    status = response.status_code
    if 200 <= status < 300:
        return
    wanted = retry_after(response.headers, utcnow()) if status in (429, 503) else None
    raise Undelivered(f"it answered {status}", is_final=status == GONE, retry_after=wanted)


def _host(delivery: Delivery) -> str:
    return httpx.URL(delivery.url).host
