"""What this process sends to a Prefect server in the background: events, which task runs are made of, and logs.

Prefect's own services keep at a server that is away for as long as they have something to send, even at the exit of the
process. Here both what they keep and the time that they take to end are bounded.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextvars import Context
from queue import Empty
from typing import Any

from prefect.events.clients import PrefectEventsClient
from prefect.events.schemas.events import Event
from prefect.events.worker import EventsWorker
from prefect.logging.handlers import APILogWorker

from vera_orchestrator.engine.hosts import claim
from vera_orchestrator.engine.seams import events_worker
from vera_orchestrator.engine.server_settings import EVENT_QUEUE_SIZE

TASK_RUN = "prefect.task-run."
FINAL_NAMES = frozenset({"Completed", "Failed", "Cancelled", "Crashed"})
CANCELLATIONS = 5
CANCELLATION_SECONDS = 0.2
logger = logging.getLogger(__name__)


class ServerEvents(EventsWorker):
    """The queue of events of one server. `lost` is called, in any thread, for each task run that is shown no end."""

    def __init__(self, client_type: Any, client_options: Any, lost: Callable[[], None]) -> None:
        super().__init__(client_type, client_options)
        self._key = hash((type(self), client_type, client_options, lost))
        self._queue.maxsize = 0  # a queue that is full for Prefect cannot be told to end either
        self._lost = lost

    @classmethod
    def of(cls, api_url: str, lost: Callable[[], None]) -> ServerEvents:
        """Return the queue of a server, a new one where the earlier has ended."""
        return super(EventsWorker, cls).instance(PrefectEventsClient, (("api_url", api_url),), lost)

    def send(self, item: Event) -> None:
        """Send an event when its turn comes; above EVENT_QUEUE_SIZE it is dropped."""
        if self._queue.qsize() < EVENT_QUEUE_SIZE:
            super().send(item)
        else:
            self._forget(item)

    async def _handle(self, event: Event) -> None:
        try:
            await super()._handle(event)
        except Exception as error:  # whatever Prefect's client raises; it sends the event after its next connection
            logger.debug("an event could not be sent yet: %r", error)
            unsent: list[Event] = getattr(self._client, "_unconfirmed_events", [])
            while len(unsent) > EVENT_QUEUE_SIZE:
                self._forget(unsent.pop(0))

    async def _run(self) -> None:
        await super()._run()
        # Prefect keeps its services until the process exits: what they hold would be kept as long.
        self._context_cache.clear()
        while True:
            try:
                event = self._queue.get_nowait()
            except Empty:
                break
            if event is not None:
                self._forget(event)
        self._queue.put_nowait(None)  # for the thread that may still wait at the queue

    def _forget(self, event: Event) -> None:
        if event.event.removeprefix(TASK_RUN) in FINAL_NAMES:
            self._lost()


def direct_events(context: Context, api_url: str, lost: Callable[[], None]) -> None:
    """Let the events of a context go to a server; see ServerEvents for `lost`."""
    context.run(events_worker.set, lambda: ServerEvents.of(api_url, lost))


async def send_rest(context: Context, patience: float) -> None:
    """Let what the runs of a context have said be sent, for `patience` seconds; the rest is dropped."""
    context = context.copy()
    context.run(claim)  # a service that begins only to end says so, where a machine is slow
    services = [context.run(EventsWorker.instance), context.run(APILogWorker.instance)]
    await asyncio.gather(*(_end(service, patience) for service in services))


async def _end(service: Any, patience: float) -> None:
    task, loop = service._task, service._loop  # noqa: SLF001 - Prefect forgets them when its service is to end
    ended = asyncio.wrap_future(service._drain())  # noqa: SLF001 - the public way waits without end
    await asyncio.wait({ended}, timeout=patience)
    for _ in range(CANCELLATIONS):  # its answer to the first is to say goodbye to the server
        if ended.done():
            return
        loop.call_soon_threadsafe(task.cancel)
        await asyncio.wait({ended}, timeout=CANCELLATION_SECONDS)
