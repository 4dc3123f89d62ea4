"""Whoever asked is told of an end, whatever happens in between."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook as Receiver

from tests.http.server import Handler, Seen, Server, serving
from tests.runtime.conftest import Make, maker
from tests.support import PATIENCE, Failing, Scripted, run, run_batch, settings, soon, until
from vera_orchestrator.compose import sealer_of
from vera_orchestrator.journal.factory import make_journal
from vera_orchestrator.journal.memory import MemoryJournal
from vera_orchestrator.journal.outbox import Delivery
from vera_orchestrator.keys import Keys
from vera_orchestrator.models import Task
from vera_orchestrator.runtime.deliverer import CLAIM_SECONDS, Deliverer
from vera_orchestrator.settings import OrchestratorConfig
from vera_orchestrator.webhooks import DELAYS

SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef01234567").decode()
OTHER = base64.b64encode(b"another-secret-of-the-settings").decode()
ROOT = Path(__file__).parents[2]


class Clock:
    """A time that a test moves."""

    def __init__(self) -> None:
        self.at = time.time()

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def receiver() -> Iterator[Server]:
    """A receiver at /hook that takes every message."""
    with serving() as server:
        server.routes["/hook"] = lambda handler, _: handler.answer(204)
        yield server


def allowed(receiver: Server) -> dict[str, Any]:
    return {"http_allow": [receiver.endpoint]}


def hook(receiver: Server, **more: Any) -> dict[str, Any]:
    return {"url": f"{receiver.url}/hook", **more}


def everything_in(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def messages(receiver: Server) -> list[dict[str, Any]]:
    return [json.loads(seen.body) for seen in receiver.seen]


async def test_a_task_that_ends_is_told_once_and_signed(make: Make, receiver: Server) -> None:
    orchestrator = await make(Scripted(), **allowed(receiver))
    task = Task(payload={"data": "done", "password": "hidden"}, webhook=hook(receiver, secret=SECRET))  # pyright: ignore
    await run(orchestrator, task)
    await until(lambda: receiver.seen)
    (seen,) = receiver.seen
    told = Receiver(SECRET).verify(seen.body.decode(), seen.headers)
    assert told["type"] == "task.completed"
    assert (told["data"]["id"], told["data"]["status"]) == (task.id, "completed")
    assert told["data"]["result"]["data"] == "done"
    assert "payload" not in told["data"]
    assert seen.headers["content-type"] == "application/json"


async def test_a_failed_and_a_cancelled_task_are_told_too(make: Make, receiver: Server) -> None:
    orchestrator = await make(Failing(), **allowed(receiver), webhook_secret=OTHER)
    await run(orchestrator, Task(max_retries=0, webhook=hook(receiver)))  # pyright: ignore
    await until(lambda: receiver.seen)
    (seen,) = receiver.seen
    assert Receiver(OTHER).verify(seen.body.decode(), seen.headers)["type"] == "task.failed"
    waiting = Task(max_wait_seconds=100, requirements={"worker_capabilities": ["gpu"]}, webhook=hook(receiver))  # pyright: ignore
    await orchestrator.submit_task(waiting)
    await orchestrator.cancel_task(waiting.id)
    await until(lambda: len(receiver.seen) == 2)
    assert messages(receiver)[1]["type"] in {"task.cancelled", "task.failed"}


async def test_a_batch_is_told_when_all_of_it_has_ended(make: Make, receiver: Server) -> None:
    orchestrator = await make(Scripted(), **allowed(receiver))
    tasks = [Task(payload={"data": number}) for number in range(3)]
    await run_batch(orchestrator, tasks, batch_id="b", webhook=hook(receiver, secret=SECRET))
    await until(lambda: receiver.seen)
    (told,) = messages(receiver)
    assert told["type"] == "batch.completed"
    assert (told["data"]["batch_id"], told["data"]["counts"]) == ("b", {"completed": 3})
    assert [one["id"] for one in told["data"]["tasks"]] == [task.id for task in tasks]


async def test_a_named_secret_signs_only_what_its_key_may_use_it_for(
    make: Make, receiver: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VERA_SECRET_HOOK", SECRET)
    orchestrator = await make(Scripted(), **allowed(receiver))
    may = (await orchestrator.keys.create("may", secrets=["HOOK"])).row.id
    may_not = (await orchestrator.keys.create("may not")).row.id
    webhook: Any = hook(receiver, secret={"$secret": "hook"})

    refused = Task(caller=may_not, webhook=webhook)
    await run(orchestrator, refused)
    await run_batch(orchestrator, [Task(caller=may), Task(caller=may_not)], batch_id="b", webhook=webhook)
    await run(orchestrator, Task(id="told", caller=may, webhook=webhook))
    await until(lambda: receiver.seen)
    Receiver(SECRET).verify(receiver.seen[0].body.decode(), receiver.seen[0].headers)

    async def error() -> str | None:
        details = await orchestrator.get_task_details(refused.id)
        assert details is not None
        return details.messages[0].error

    async with asyncio.timeout(PATIENCE):
        while (why := await error()) is None:
            pass
    assert "webhook.secret: the key may not use the secret 'hook'." in why
    await soon(orchestrator.stop())
    assert [told["data"]["id"] for told in messages(receiver)] == ["told"]


async def test_the_secret_stands_nowhere_in_the_state_folder(
    make_on_disk: Make, receiver: Server, tmp_path: Path
) -> None:
    orchestrator = await make_on_disk(Scripted(), **allowed(receiver))
    await run(orchestrator, Task(webhook=hook(receiver, secret=SECRET)))  # pyright: ignore
    await run_batch(orchestrator, [Task()], webhook=hook(receiver, secret=SECRET))
    await until(lambda: len(receiver.seen) == 2)
    await soon(orchestrator.stop())
    assert SECRET.removeprefix("whsec_").encode() not in await asyncio.to_thread(everything_in, tmp_path)
    for seen in receiver.seen:
        Receiver(SECRET).verify(seen.body.decode(), seen.headers)


@dataclass(frozen=True, kw_only=True)
class Left:
    """A journal with the end of a task of which nobody was told, as its process died."""

    journal: MemoryJournal
    task: Task
    config: OrchestratorConfig
    clock: Clock = field(default_factory=Clock)

    def sender(self, **more: Any) -> Deliverer:
        """Return what sends it."""
        config = self.config.model_copy(update=more)
        keys = Keys(self.journal, now=self.clock)
        return Deliverer(config, self.journal, sealer_of(config), keys.secrets_of, now=self.clock)

    async def message(self) -> Delivery:
        """Return what the journal knows of the message."""
        row = await self.journal.task(self.task.id)
        assert row is not None
        (one,) = await self.journal.outbox.of(row.key)
        return one


@pytest.fixture
async def left(receiver: Server, tmp_path: Path) -> AsyncIterator[Left]:
    journal = MemoryJournal()
    async with maker(tmp_path / "state") as make:
        orchestrator = await make(Scripted(), journal=journal, **allowed(receiver))
        await orchestrator._parts.services.stop()  # pyright: ignore[reportPrivateUsage]  (nobody sends)
        task = Task(payload={"data": 1}, webhook=hook(receiver, secret=SECRET))  # pyright: ignore[reportArgumentType]
        await run(orchestrator, task)
        yield Left(journal=journal, task=task, config=orchestrator.config)


async def test_an_address_that_is_not_allowed_gets_nothing(left: Left, receiver: Server) -> None:
    sender = left.sender(http_allow=[])
    await sender.begin()
    await sender.finish(PATIENCE)
    one = await left.message()
    assert (one.attempts, one.due_at) == (1, None)
    assert "http_allow" in (one.error or "")
    assert receiver.seen == []


async def test_what_fails_is_sent_again_until_it_arrives(left: Left, receiver: Server) -> None:
    given: list[tuple[int, dict[str, str]]] = [(500, {}), (302, {"Location": "/hook"}), (503, {"Retry-After": "1000"})]
    given.append((204, {}))
    answers = iter(given)

    def answer(handler: Handler, _: Seen) -> None:
        status, headers = next(answers)
        handler.answer(status, headers=headers)

    receiver.routes["/hook"] = answer
    sender, clock, waits = left.sender(), left.clock, list[float]()
    while (due_at := await left.journal.outbox.next_due()) is not None:
        waits.append(due_at - clock.at)
        clock.at = max(clock.at, due_at)
        await sender.begin()
        await sender.settle()
    await sender.finish(PATIENCE)
    assert len(receiver.seen) == 4
    assert len({seen.headers["webhook-id"] for seen in receiver.seen}) == 1
    least = [DELAYS[0], DELAYS[1], 1_000.0]
    assert all(low - 1 <= wait <= low * 1.1 + 1 for wait, low in zip(waits[1:], least, strict=True))
    assert (await left.message()).delivered_at == clock.at


async def test_who_is_gone_is_left_alone(left: Left, receiver: Server) -> None:
    receiver.routes["/hook"] = lambda handler, _: handler.answer(410)
    sender = left.sender()
    await sender.begin()
    await sender.finish(PATIENCE)
    one = await left.message()
    assert (one.attempts, one.due_at, one.error) == (1, None, "it answered 410")


async def test_who_does_not_listen_is_tried_again(left: Left, receiver: Server) -> None:
    receiver.routes["/hook"] = lambda handler, _: handler.reset()
    sender = left.sender()
    await sender.begin()
    await sender.finish(PATIENCE)
    one = await left.message()
    assert one.attempts == 1
    assert one.due_at is not None
    assert one.due_at >= left.clock.at + DELAYS[0]


async def test_two_senders_do_not_send_the_same(left: Left, receiver: Server) -> None:
    senders = [left.sender() for _ in range(2)]
    await asyncio.gather(*(sender.begin() for sender in senders))
    await asyncio.gather(*(sender.finish(PATIENCE) for sender in senders))
    assert len(receiver.seen) == 1


PROGRAM = """
import asyncio, sys
from pathlib import Path
from tests.support import Scripted, orchestrator, run
from vera_orchestrator.models import Task

async def main(home: str, url: str, endpoint: str) -> None:
    one = orchestrator(Path(home), Scripted(), http_allow=[endpoint])
    await one.start()
    await run(one, Task(id="told", payload={"data": 1}, webhook={"url": url}))
    await asyncio.Event().wait()

asyncio.run(main(*sys.argv[1:]))
"""


async def test_a_process_that_dies_while_it_sends_leaves_the_message_to_the_next(
    receiver: Server, tmp_path: Path
) -> None:
    home = tmp_path / "home"

    def kill(handler: Handler, _: Seen) -> None:
        os.kill(process.pid, signal.SIGKILL)
        handler.reset()

    receiver.routes["/hook"] = kill
    command = (sys.executable, "-c", PROGRAM, str(home), f"{receiver.url}/hook", receiver.endpoint)
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT)
    assert await soon(process.wait()) == -signal.SIGKILL

    receiver.routes["/hook"] = lambda handler, _: handler.answer(204)
    config = settings(home, **allowed(receiver))
    journal = make_journal(config.journal_url)
    await journal.open()
    clock = Clock()
    clock.at += CLAIM_SECONDS + 1
    sender = Deliverer(config, journal, sealer_of(config), Keys(journal).secrets_of, now=clock)
    await sender.begin()
    await sender.finish(PATIENCE)
    await journal.close()
    first, second = receiver.seen
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert json.loads(second.body)["data"]["id"] == "told"


async def test_what_has_just_ended_is_told_before_a_program_stops(make: Make, receiver: Server) -> None:
    orchestrator = await make(Scripted(), **allowed(receiver), drain_seconds=PATIENCE)
    await run(orchestrator, Task(webhook=hook(receiver)))  # pyright: ignore
    await soon(orchestrator.stop())
    assert len(receiver.seen) == 1


async def test_the_same_batch_again_is_known_by_its_key_although_its_secret_is_sealed_anew(
    make: Make, receiver: Server
) -> None:
    orchestrator = await make(Scripted(), **allowed(receiver))
    ids = [
        await orchestrator.submit_batch(
            [Task(id="t", payload={"data": 1})], idempotency_key="k", webhook=hook(receiver, secret=SECRET)
        )
        for _ in range(2)
    ]
    assert ids[0] == ids[1]
    await until(lambda: receiver.seen)
