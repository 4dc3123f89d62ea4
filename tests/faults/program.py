"""The process under test: one orchestrator with its part of the load. `python -m tests.faults.program`.

The first line of its input is JSON text, see `Arguments`. It says `ready` once it runs; reads when the load begins from
the next one; says `loaded` once its part is done; and stops gracefully at SIGTERM. It ends at once when its input is
closed, so that none outlives the harness.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import threading
import time
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import orjson

from tests.faults.driver import Driver
from tests.faults.load import LIMIT, LIMITED, know_types, make_load
from tests.faults.plan import LEASE_RENEW_SECONDS, LEASE_SECONDS
from tests.faults.record import EventKind, Record
from tests.faults.worker import Witness
from tests.support import Settable
from tests.support import orchestrator as plain_orchestrator
from vera_orchestrator.errors import JournalUnavailable
from vera_orchestrator.runtime.entry import Entry
from vera_orchestrator.runtime.orchestrator import Orchestrator

START_AGAIN_SECONDS = 0.2
SEAL_KEY = urlsafe_b64encode(b"of all members of the crew alike").decode()


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """What a process is told. `database_url` may lead through a proxy; `record` is the file of its events."""

    seed: int
    name: str
    names: list[str]
    tasks: int
    home: str
    database_url: str
    record: str
    prefect: bool = False


class IntoRecord(logging.Handler):
    """Keeps what the program logs among its events."""

    def __init__(self, record: Record) -> None:
        super().__init__(logging.INFO)
        self._record = record
        self.setFormatter(logging.Formatter("%(name)s: %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        self._record.note(EventKind.LOG, level=record.levelname, text=self.format(record))


def make(arguments: Arguments) -> Orchestrator:
    """Return the orchestrator, not started."""
    know_types()
    settings: dict[str, Any] = {
        "home": Path(arguments.home),
        "database_url": arguments.database_url,
        "seal_key": SEAL_KEY,
        "lease_seconds": LEASE_SECONDS,
        "lease_renew_seconds": LEASE_RENEW_SECONDS,
        "max_concurrent_tasks": 20,
        "drain_seconds": 1.0,
        "health_check_interval": 3_600,
        "retention_interval_seconds": 2.0,  # which also ends the batches that a dead owner left
        "breaker_failures": 1_000_000,  # tasks that fail on purpose say nothing about the worker
    }
    if arguments.prefect:
        from BackgroundCognition.orchestrator import OrchestratorConfig, UnifiedOrchestrator

        return UnifiedOrchestrator(OrchestratorConfig(prefect="embedded", docker_pool_size=0, **settings))
    one = plain_orchestrator(settings.pop("home"), **settings)
    assert isinstance(one.engine, Settable)
    one.engine.status.limits = {LIMITED: LIMIT}
    return one


def witness(one: Orchestrator, record: Record) -> None:
    """Let the worker and the journal's removals of owners be written down."""

    def entry_of(task_id: str) -> Entry | None:
        return one._parts.live.find(task_id)  # pyright: ignore[reportPrivateUsage]

    one.worker_registry.add(Witness(record, entry_of, limited=one.engine.limits))
    journal = one._given.journal  # pyright: ignore[reportPrivateUsage]
    remove, join = journal.remove_owner, journal.join

    async def remove_owner(owner: int) -> int:
        began = time.monotonic()
        record.note(EventKind.BURYING, owner=owner)
        tasks = await remove(owner)
        record.note(EventKind.BURIED, owner=owner, since=began)
        return tasks

    async def joined(**facts: Any) -> int:
        owner = await join(**facts)
        record.note(EventKind.OWNER, owner=owner)
        return owner

    journal.remove_owner, journal.join = remove_owner, joined


async def start(one: Orchestrator) -> None:
    """Start; while the database is away, again and again, as whatever supervises a service would."""
    while True:
        try:
            await one.start()
        except JournalUnavailable:
            await asyncio.sleep(START_AGAIN_SECONDS)
        else:
            return


async def run(arguments: Arguments) -> None:
    """Run until SIGTERM."""
    record = Record(Path(arguments.record))
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("vera_orchestrator").setLevel(logging.INFO)
    logging.getLogger().addHandler(IntoRecord(record))
    loop, stopping = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stopping.set)
    loop.set_exception_handler(lambda _, context: record.note(EventKind.SURPRISE, text=f"event loop: {context}"))
    beginning = _listen(loop)
    one = make(arguments)
    witness(one, record)
    ended = asyncio.create_task(stopping.wait())
    work = asyncio.create_task(_work(arguments, one, record, beginning))
    await asyncio.wait({ended, work}, return_when=asyncio.FIRST_COMPLETED)
    await asyncio.gather(*([work] if work.done() else []))  # what it raises ends the process with a traceback
    await ended
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    await one.stop()


async def _work(arguments: Arguments, one: Orchestrator, record: Record, beginning: asyncio.Future[float]) -> None:
    load = make_load(arguments.seed, arguments.names, arguments.tasks)
    driver = Driver(one, record, arguments.name, load, Path(arguments.record))
    await start(one)
    _say("ready")
    await driver.drive(await beginning)
    _say("loaded")


def _say(word: str) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


def _listen(loop: asyncio.AbstractEventLoop) -> asyncio.Future[float]:
    """Return what the next line of the input says; the end of the input is the end of the process."""
    beginning: asyncio.Future[float] = loop.create_future()

    def listen() -> None:
        for line in sys.stdin:
            loop.call_soon_threadsafe(partial(beginning.set_result, float(line)))
        os._exit(3)

    threading.Thread(target=listen, name="input", daemon=True).start()
    return beginning


if __name__ == "__main__":
    asyncio.run(run(Arguments(**orjson.loads(sys.stdin.readline()))))
