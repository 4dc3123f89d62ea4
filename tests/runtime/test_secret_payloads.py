"""Secrets in payloads are given to the worker and to nobody else."""

from __future__ import annotations

import json
import logging
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.runtime.conftest import Make
from tests.support import Gate, Scripted, echo, run, run_batch, soon
from vera_orchestrator.errors import ToolFailed
from vera_orchestrator.models import Task, TaskResult
from vera_orchestrator.workers.parallel_batch import ParallelBatchWorker

SECRET = "correct-horse-battery-staple"


class Seeing:
    """A behaviour that keeps the payloads it gets."""

    def __init__(self) -> None:
        self.payloads: list[object] = []

    async def __call__(self, task: Task) -> TaskResult:
        self.payloads.append(task.payload)
        return await echo(task)


def with_secret(**fields: object) -> Task:
    payload = {"headers": {"Authorization": f"Bearer {SECRET}", "Accept": "*/*"}, "password": SECRET, "data": 1}
    return Task(payload=payload, **fields)  # pyright: ignore[reportArgumentType]


async def naming(task: Task) -> TaskResult:
    """Return a reference to a secret, or the data if there is some, as a server that was asked might."""
    return TaskResult(success=True, data=task.payload.get("data", {"$secret": "my-key"}))


@pytest.fixture
def my_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VERA_SECRET_MY_KEY", SECRET)


async def test_the_worker_gets_what_was_submitted(make: Make) -> None:
    seen: list[object] = []

    async def look(task: Task) -> TaskResult:
        seen.append(task.payload)
        return await echo(task)

    orchestrator = await make(Scripted(look))
    task = with_secret()
    given = json.loads(json.dumps(task.payload))
    await run(orchestrator, task)
    assert seen == [given]
    assert task.payload == given


async def test_nobody_else_can_read_it(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    gate = Gate()
    orchestrator = await make(gate)
    task = with_secret()
    await orchestrator.submit_batch([task], batch_id="b1")
    await gate.next()

    async def shown() -> str:
        one, batch = await orchestrator.get_task(task.id), await orchestrator.get_batch("b1")
        assert one is not None and batch is not None
        return json.dumps([one.to_dict(), batch.to_dict(), orchestrator.get_task_history()])

    while_it_runs = await shown()
    gate.open()
    await soon(orchestrator.wait_for(task.id))
    for text in (while_it_runs, await shown(), caplog.text):
        assert SECRET not in text
    assert '"Authorization": "***", "Accept": "*/*"' in while_it_runs


async def test_it_stands_nowhere_in_the_state_folder(make_on_disk: Make, tmp_path: Path) -> None:
    async def fail(task: Task) -> TaskResult:
        raise RuntimeError(f"401 for {task.payload['headers']['Authorization']} and {task.payload['password']}")

    orchestrator = await make_on_disk(Scripted(fail))
    result = await run(orchestrator, with_secret(max_retries=1, retry_delay_seconds=0.001))
    assert result.error == "RuntimeError: 401 for *** and ***"
    await orchestrator.stop()
    with sqlite3.connect(tmp_path / "state" / "journal.db") as connection:
        assert "401 for" in "\n".join(connection.iterdump())
    connection.close()
    for path in (tmp_path / "state").rglob("*"):
        if path.is_file():
            assert SECRET.encode() not in path.read_bytes(), path


async def test_an_error_that_quotes_it_is_shown_without_it(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    async def fail(task: Task) -> TaskResult:
        raise ToolFailed(f"bad {SECRET}", field=f"x-{SECRET}", remedy=f"Change {SECRET}.")

    async def unsuccessful(task: Task) -> TaskResult:
        return TaskResult(success=False, error=f"bad {SECRET}", retryable=False)

    told: list[str] = []
    for behaviour in (fail, unsuccessful):
        orchestrator = await make(Scripted(behaviour))
        task = with_secret(on_error=lambda error: told.extend([str(error), repr(error)]))  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
        with caplog.at_level(logging.DEBUG):
            result = await run(orchestrator, task)
        history = orchestrator.get_task_history()
        for text in (str(result), json.dumps(history), str(task.status_reason), caplog.text, *told):
            assert SECRET not in text
        assert "bad ***" in (result.error or "")


async def test_a_named_secret_is_looked_up_for_the_worker_only(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VERA_SECRET_MY_KEY", SECRET)
    seen: list[object] = []

    async def look(task: Task) -> TaskResult:
        seen.append(task.payload["key"])
        return await echo(task)

    orchestrator = await make(Scripted(look))
    task = Task(payload={"key": {"$secret": "my-key"}})
    assert (await run(orchestrator, task)).success
    assert seen == [SECRET]
    shown = await orchestrator.get_task(task.id)
    assert shown is not None and shown.payload == {"key": {"$secret": "my-key"}}


async def test_a_named_secret_that_is_not_set_fails_the_task_and_says_what_to_set(make: Make) -> None:
    worker = Scripted()
    result = await run(await make(worker), Task(payload={"key": {"$secret": "nowhere"}}))
    assert result.error_type == "NotConfigured"
    assert result.error is not None and "VERA_SECRET_NOWHERE" in result.error
    assert worker.ran == []


async def test_what_a_dependency_returned_is_not_looked_up(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VERA_SECRET_MY_KEY", SECRET)
    orchestrator = await make(Scripted(naming))
    tasks = [
        Task(id="a", payload={}),
        Task(id="b", depends_on=["a"], payload={"data": {"x": "{a}"}}),
    ]
    _, result = await run_batch(orchestrator, tasks)
    assert result.data == {"x": {"$secret": "my-key"}}


@pytest.mark.usefixtures("my_key")
async def test_the_tasks_of_a_key_get_the_secrets_that_it_may_use_and_no_others(make: Make) -> None:
    worker = Scripted(seeing := Seeing())
    orchestrator = await make(worker)
    keys = orchestrator.keys
    may = (await keys.create("may", secrets=["MY_KEY"])).row.id
    may_all = (await keys.create("may all", secrets=["*"])).row.id
    may_not = (await keys.create("may not", secrets=["ANOTHER"])).row.id
    for caller in (may, may_all, "environment", None):
        assert (await run(orchestrator, Task(payload={"key": {"$secret": "my-key"}}, caller=caller))).success
    assert seeing.payloads == [{"key": SECRET}] * 4

    refused = await run(orchestrator, Task(payload={"deep": [{"key": {"$secret": "my-key"}}]}, caller=may_not))

    assert refused.error_type == "NotAllowed"
    assert refused.error is not None
    assert "payload.deep.0.key: the key may not use the secret 'my-key'." in refused.error
    assert "vera keys create NAME --secret my-key" in refused.error
    assert len(worker.ran) == 4


@pytest.mark.usefixtures("my_key")
async def test_what_waits_when_its_key_ends_goes_on_without_its_secrets(make: Make) -> None:
    gate = Gate()
    orchestrator = await make(gate)
    key = (await orchestrator.keys.create("a", secrets=["my-key"])).row.id
    running, naming_none = Task(payload={"data": {"$secret": "my-key"}}, caller=key), Task(caller=key)
    waiting = Task(payload={"data": {"$secret": "my-key"}}, caller=key, depends_on=[running.id])
    await orchestrator.submit_batch([running, naming_none, waiting])
    await gate.next()
    await gate.next()

    await orchestrator.keys.revoke(key)
    gate.open()

    assert (await soon(orchestrator.wait_for(running.id))).success
    assert (await soon(orchestrator.wait_for(naming_none.id))).success
    assert (await soon(orchestrator.wait_for(waiting.id))).error_type == "NotAllowed"


def batch_of(*inner: dict[str, Any], **fields: Any) -> Task:
    return Task(type="parallel_batch", payload={"tasks": list(inner)}, **fields)


@pytest.mark.usefixtures("my_key")
async def test_the_tasks_of_a_batch_in_a_task_look_their_secrets_up_themselves(
    make_on_disk: Make, tmp_path: Path
) -> None:
    orchestrator = await make_on_disk(Scripted(seeing := Seeing()))
    await orchestrator.worker_registry.register(ParallelBatchWorker(orchestrator))
    key = (await orchestrator.keys.create("a", secrets=["my-key"])).row.id
    inner = {"type": "custom", "payload": {"note": {"$secret": "my-key"}, "other": {"$sealed": f"{SECRET}!"}}}

    assert (await run(orchestrator, batch_of(inner, caller=key))).success
    assert seeing.payloads == [{"note": SECRET, "other": f"{SECRET}!"}]

    refused = await run(orchestrator, batch_of({**inner, "payload": {"note": {"$secret": "other"}}}, caller=key))
    assert "payload.note: the key may not use the secret 'other'." in str(refused.error)
    await orchestrator.stop()
    for path in (tmp_path / "state").rglob("*"):
        if path.is_file():
            assert SECRET.encode() not in path.read_bytes(), path


@pytest.mark.usefixtures("my_key")
@pytest.mark.parametrize(
    "payload",
    ["{a}", {"note": "{a}"}, {"note": {"$secret": "{b}"}}, {"tasks": [{"type": "custom", "payload": "{a}"}]}],
    ids=["as a payload", "inside one", "as a name", "in a batch of the batch"],
)
async def test_what_a_dependency_returned_names_no_secret_in_a_batch_in_a_task_either(
    make: Make, payload: object
) -> None:
    orchestrator = await make(Scripted(naming))
    await orchestrator.worker_registry.register(ParallelBatchWorker(orchestrator))
    inner: dict[str, Any] = {"type": "parallel_batch" if "tasks" in str(payload) else "custom", "payload": payload}
    tasks = [
        Task(id="a"),
        Task(id="b", payload={"data": "my-key"}),
        batch_of(inner, id="c", depends_on=["a", "b"]),
    ]
    *_, result = await run_batch(orchestrator, tasks)
    assert result.error_type == "NotAllowed"
    assert "a secret is named by what another task returned" in str(result.error)


async def test_a_secret_still_reaches_the_worker_after_a_restart(make: Make) -> None:
    gate = Gate()
    orchestrator = await make(gate)
    await orchestrator.submit_task(with_secret(id="t"))
    await gate.next()
    await soon(orchestrator.stop())
    seen: list[object] = []

    async def look(task: Task) -> TaskResult:
        seen.append(task.payload["password"])
        return await echo(task)

    await orchestrator.worker_registry.register(Scripted(look, "gate"))
    await soon(orchestrator.start())
    await soon(orchestrator.wait_for("t"))
    assert seen == [SECRET]
