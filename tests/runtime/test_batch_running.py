"""Tasks that were submitted together."""

from __future__ import annotations

import itertools
import random
from typing import Any

import pytest

from tests.runtime.conftest import Make
from tests.support import Gate, Scripted, Settable, echo, needs, run, run_batch, soon, until
from vera_orchestrator.enums import TaskStatus
from vera_orchestrator.errors import (
    CyclicDependency,
    DuplicateTaskId,
    InvalidBatch,
    InvalidPayload,
    NotFound,
    UnknownDependency,
    VeraError,
)
from vera_orchestrator.models import Task, TaskResult

MANY = [2_000, pytest.param(10_000, marks=pytest.mark.soak)]
"""Sizes of a batch: more than Python recurses, and many more."""


async def fail_named(task: Task) -> TaskResult:
    """Fail what is called `bad…`."""
    return TaskResult(success=not task.id.startswith("bad"), data=task.payload.get("data"), error="no luck")


def once(task_id: str, *after: str, **fields: Any) -> Task:
    return Task(id=task_id, depends_on=list(after), max_retries=0, **fields)


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))), ids=str)
async def test_tasks_may_be_given_in_any_order(make: Make, order: tuple[int, ...]) -> None:
    worker = Scripted()
    orchestrator = await make(worker)
    diamond = [once("a"), once("b", "a"), once("c", "a"), once("d", "b", "c")]
    tasks = [diamond[place] for place in order]
    results = await run_batch(orchestrator, tasks)
    assert all(result.success for result in results)
    assert (worker.ran[0], worker.ran[-1], len(worker.ran)) == ("a", "d", 4)


async def test_results_come_in_the_order_of_the_tasks(make: Make) -> None:
    orchestrator = await make(Scripted(slots=3))
    tasks = [Task(payload={"data": number}) for number in range(50)]
    assert [result.data for result in await run_batch(orchestrator, tasks)] == list(range(50))


async def test_tasks_that_do_not_depend_on_each_other_run_at_the_same_time(make: Make) -> None:
    gate = Gate()
    orchestrator = await make(gate)
    await orchestrator.submit_batch([once("a"), once("b"), once("c", "a")])
    assert {await gate.next(), await gate.next()} == {"a", "b"}
    assert gate.ran == ["a", "b"]
    gate.open()
    assert await gate.next() == "c"


async def test_without_parallelism_one_task_runs_at_a_time_in_the_order_of_dependencies(make: Make) -> None:
    worker = Scripted(fail_named)
    orchestrator = await make(worker)
    tasks = [once("d", "b"), once("bad"), once("b", "a"), once("a"), once("c")]
    results = await run_batch(orchestrator, tasks, execute_parallel=False)
    assert worker.most_at_once == 1
    assert worker.ran == ["bad", "a", "b", "d", "c"]
    assert [result.success for result in results] == [True, False, True, True, True]


async def test_tasks_that_cannot_be_parallelised_take_turns_while_others_run(make: Make) -> None:
    gate = Gate()
    orchestrator = await make(gate)
    tasks = [once(name, can_parallelize=False) for name in "ab"] + [once("c"), once("d")]
    await orchestrator.submit_batch(tasks)
    assert {await gate.next() for _ in range(3)} == {"a", "c", "d"}
    assert "b" not in gate.ran
    gate.open()
    assert await gate.next() == "b"


async def test_a_result_is_put_into_the_payload_of_what_depends_on_it(make: Make) -> None:
    orchestrator = await make(Scripted())
    tasks = [
        once("a", payload={"data": {"n": [1, 2]}}),
        once("b", "a", payload={"data": {"whole": "{a}", "part": "{a.n.1}", "text": "n is {a.n.0}"}}),
    ]
    results = await run_batch(orchestrator, tasks)
    assert results[1].data == {"whole": {"n": [1, 2]}, "part": 2, "text": "n is 1"}
    assert tasks[1].payload["data"]["whole"] == "{a}"


async def test_code_with_braces_is_left_alone(make: Make) -> None:
    orchestrator = await make(Scripted())
    code = "d = {'a': 1}; print(f'{d}', {x for x in ()}, {a}, {{b}})"
    tasks = [once("a", payload={"data": 5}), once("b", "a", payload={"data": code})]
    results = await run_batch(orchestrator, tasks)
    assert results[1].data == code.replace("{a}", "5")


async def test_a_placeholder_without_a_value_fails_the_task_and_names_it(make: Make) -> None:
    worker = Scripted()
    orchestrator = await make(worker)
    tasks = [once("a", payload={"data": {}}), once("b", "a", payload={"data": "{a.missing}"})]
    _, result = await run_batch(orchestrator, tasks)
    assert result.error_type == "SubstitutionFailed"
    assert result.error is not None and "a.missing" in result.error
    assert worker.ran == ["a"]


async def test_what_depends_on_a_failed_task_is_cancelled_down_the_chain_with_the_first_cause(make: Make) -> None:
    worker = Scripted(fail_named)
    orchestrator = await make(worker)
    tasks = [once("c", "b"), once("b", "bad"), once("bad"), once("fine")]
    c, b, bad, fine = await run_batch(orchestrator, tasks)
    assert (bad.success, fine.success) == (False, True)
    assert [task.status for task in tasks[:2]] == [TaskStatus.CANCELLED, TaskStatus.CANCELLED]
    assert b.error == c.error == "its dependency bad failed: no luck"
    assert b.error_type == "DependencyFailed"
    assert sorted(worker.ran) == ["bad", "fine"]


async def test_a_task_that_takes_any_outcome_runs_after_failed_and_cancelled_ones(make: Make) -> None:
    worker = Scripted(fail_named)
    orchestrator = await make(worker)
    tasks = [once("bad"), once("lost", "bad"), Task(id="last", depends_on_any=["bad", "lost"], payload={"data": 1})]
    results = await run_batch(orchestrator, tasks)
    assert [result.success for result in results] == [False, False, True]
    assert worker.ran == ["bad", "last"]


async def test_after_the_first_failure_the_rest_is_cancelled_if_asked_for(make: Make) -> None:
    gate = Gate("gate", ["gate"])
    orchestrator = await make(gate, Scripted(fail_named))
    tasks = [once("runs", requirements=needs("gate")), once("waits", "runs"), once("bad", requirements=needs())]
    results = await run_batch(orchestrator, tasks, fail_fast=True)
    assert [result.error_type for result in results] == ["TaskCancelled", "TaskCancelled", "TaskFailed"] or [
        result.error_type for result in results
    ] == ["TaskCancelled", "DependencyFailed", "TaskFailed"]
    assert gate.at_once == 0


@pytest.mark.parametrize(
    ("tasks", "error", "says"),
    [
        ([], InvalidBatch, "no tasks"),
        ([once("a", "b"), once("b", "a")], CyclicDependency, "a"),
        ([once("a", "a")], CyclicDependency, "a"),
        ([once("a", "ghost")], UnknownDependency, "ghost"),
        ([once("a"), once("a")], DuplicateTaskId, "'a'"),
        ([once("a"), once("b", payload={"data": object()})], InvalidPayload, "payload"),
    ],
)
async def test_of_a_batch_that_makes_no_sense_nothing_is_accepted(
    make: Make, tasks: list[Task], error: type[VeraError], says: str
) -> None:
    worker = Scripted()
    orchestrator = await make(worker)
    with pytest.raises(error, match=says):
        await orchestrator.submit_batch(tasks, batch_id="b1")
    assert await orchestrator.get_batch("b1") is None
    assert orchestrator.get_task_history() == []
    assert (await run(orchestrator, Task())).success
    assert len(worker.ran) == 1


async def test_an_id_that_an_unfinished_task_has_is_refused_and_that_task_goes_on(make: Make) -> None:
    gate = Gate()
    orchestrator = await make(gate)
    task = Task(id="t")
    await orchestrator.submit_task(task)
    await gate.next()
    for again in (task, Task(id="t")):
        with pytest.raises(DuplicateTaskId, match="'t'"):
            await orchestrator.submit_task(again)
        with pytest.raises(DuplicateTaskId, match="'t'"):
            await orchestrator.submit_batch([Task(), again])
    assert task.status is TaskStatus.RUNNING
    assert task.started_at is not None
    gate.open()
    assert (await soon(orchestrator.wait_for("t"))).success
    assert len(orchestrator.get_task_history()) == 1


async def test_the_same_ids_can_be_used_again_once_their_tasks_have_ended(make: Make) -> None:
    worker = Scripted()
    orchestrator = await make(worker)
    tasks = [once("a", payload={"data": 1}), once("b", "a", payload={"data": "{a}"})]
    for number in (1, 2):
        tasks[0].payload = {"data": number}
        assert [result.data for result in await run_batch(orchestrator, tasks)] == [number, number]
    assert worker.ran == ["a", "b", "a", "b"]


async def test_a_batch_can_be_looked_at_while_it_runs_and_afterwards(make: Make) -> None:
    gate = Gate()
    orchestrator = await make(gate)
    tasks = [once("a"), once("b", "a")]
    batch_id = await orchestrator.submit_batch(tasks)
    assert isinstance(batch_id, str)
    await gate.next()
    live = await orchestrator.get_batch(batch_id)
    assert live is not None
    assert live.status is TaskStatus.RUNNING
    assert [task.status for task in live.tasks] == [TaskStatus.RUNNING, TaskStatus.PENDING]
    assert live.tasks[1].status_reason == "waits for 1 tasks"
    gate.open()
    results = await soon(orchestrator.wait_for_batch(batch_id))
    assert [result.success for result in results] == [True, True]
    ended = await orchestrator.get_batch(batch_id)
    assert ended is not None
    assert ended.status is TaskStatus.COMPLETED
    assert ended.completed_at is not None
    assert [task.id for task in ended.tasks] == ["a", "b"]
    assert [task.batch_id for task in tasks] == [batch_id, batch_id]
    assert [result.success for result in await soon(orchestrator.wait_for_batch(batch_id))] == [True, True]


async def test_results_of_an_ended_batch_are_read_whole_from_the_journal(make: Make) -> None:
    orchestrator = await make(Scripted())
    await run_batch(
        orchestrator, [once("a", payload={"data": [1, 2]}), once("b", payload={"data": "x"})], batch_id="b1"
    )
    results = await soon(orchestrator.wait_for_batch("b1"))
    assert [result.data for result in results] == [[1, 2], "x"]


async def test_an_unknown_batch_is_named(make: Make) -> None:
    orchestrator = await make()
    assert await orchestrator.get_batch("ghost") is None
    for ask in (orchestrator.wait_for_batch, orchestrator.cancel_batch, orchestrator.retry_batch):
        with pytest.raises(NotFound, match="'ghost'"):
            await ask("ghost")


async def test_a_batch_can_be_cancelled_as_a_whole(make: Make) -> None:
    gate = Gate(slots=1)
    orchestrator = await make(gate)
    tasks = [once("a"), once("b"), once("c", "a")]
    await orchestrator.submit_batch(tasks, batch_id="b1")
    running = await gate.next()
    assert await orchestrator.cancel_batch("b1") == 3
    results = await soon(orchestrator.wait_for_batch("b1"))
    assert [result.success for result in results] == [False] * 3
    assert gate.ran == [running]
    batch = await orchestrator.get_batch("b1")
    assert batch is not None and batch.status is TaskStatus.CANCELLED
    assert await orchestrator.cancel_batch("b1") == 0


async def test_cancelling_the_flow_run_that_shows_a_batch_cancels_the_batch(make: Make) -> None:
    gate = Gate()
    orchestrator = await make(gate)
    await orchestrator.submit_batch([once("a")], batch_id="b1")
    await gate.next()
    entry = orchestrator._parts.live.find("a")  # pyright: ignore[reportPrivateUsage]
    assert entry is not None and entry.batch is not None
    assert isinstance(orchestrator.engine, Settable)
    orchestrator.engine.on_cancelled_batch(entry.batch)
    (result,) = await soon(orchestrator.wait_for_batch("b1"))
    assert result.error is not None and "Prefect" in result.error


async def test_what_failed_of_a_batch_can_be_run_again_and_what_succeeded_is_kept(make: Make) -> None:
    lucky = False

    async def by_luck(task: Task) -> TaskResult:
        if task.id == "b" and not lucky:
            return TaskResult(success=False, error="no luck")
        return await echo(task)

    worker = Scripted(by_luck)
    orchestrator = await make(worker)
    tasks = [
        once("a", payload={"data": 1}),
        once("b", "a", payload={"data": "{a}"}),
        once("c", "b", payload={"data": "{b}"}),
    ]
    results = await run_batch(orchestrator, tasks, batch_id="b1")
    assert [result.success for result in results] == [True, False, False]
    lucky = True
    assert sorted(await orchestrator.retry_batch("b1")) == ["b", "c"]
    results = await soon(orchestrator.wait_for_batch("b1"))
    assert [result.data for result in results] == [1, 1, 1]
    assert worker.ran == ["a", "b", "b", "c"]
    batch = await orchestrator.get_batch("b1")
    assert batch is not None and batch.status is TaskStatus.COMPLETED


@pytest.mark.parametrize("seed", range(5))
async def test_every_task_of_any_graph_ends_and_none_before_what_it_depends_on(make: Make, seed: int) -> None:
    chance = random.Random(seed)
    ended: list[str] = []
    fails: set[str] = set()

    async def note(task: Task) -> TaskResult:
        ended.append(task.id)
        return TaskResult(success=task.id not in fails, error="no")

    orchestrator = await make(Scripted(note, slots=chance.choice([1, 3, 1000])))
    tasks: list[Task] = []
    for number in range(60):
        before = chance.sample(range(number), min(number, chance.randrange(4)))
        cut = chance.randrange(len(before) + 1)
        task = once(
            f"t{number}", *(f"t{one}" for one in before[:cut]), depends_on_any=[f"t{one}" for one in before[cut:]]
        )
        tasks.append(task)
        if chance.random() < 0.15:
            fails.add(task.id)
    chance.shuffle(tasks)
    await run_batch(orchestrator, tasks)
    state = {task.id: task.status for task in tasks}
    for task in tasks:
        fit = all(state[one] is TaskStatus.COMPLETED for one in task.depends_on)
        assert (task.id in ended) == fit
        assert task.status is (
            TaskStatus.CANCELLED if not fit else TaskStatus.FAILED if task.id in fails else TaskStatus.COMPLETED
        )
        if fit:
            before = [one for one in [*task.depends_on, *task.depends_on_any] if one in ended]
            assert all(ended.index(one) < ended.index(task.id) for one in before)


@pytest.mark.parametrize("count", MANY)
async def test_a_long_chain_of_tasks_runs_through(make_on_disk: Make, count: int) -> None:
    worker = Scripted()
    orchestrator = await make_on_disk(worker)
    tasks = [once("t0"), *(once(f"t{number}", f"t{number - 1}") for number in range(1, count))]
    await orchestrator.submit_batch(tasks, batch_id="b1")
    results = await orchestrator.wait_for_batch("b1", timeout=180)
    assert all(result.success for result in results)
    assert worker.ran == [task.id for task in tasks]


@pytest.mark.parametrize("count", MANY)
async def test_a_long_chain_of_tasks_whose_first_fails_ends_as_cancelled(make_on_disk: Make, count: int) -> None:
    worker = Scripted(fail_named)
    orchestrator = await make_on_disk(worker)
    tasks = [once("bad"), once("t0", "bad"), *(once(f"t{number}", f"t{number - 1}") for number in range(1, count - 1))]
    await orchestrator.submit_batch(tasks, batch_id="b1")
    results = await orchestrator.wait_for_batch("b1", timeout=180)
    assert {result.error for result in results[1:]} == {"its dependency bad failed: no luck"}
    assert worker.ran == ["bad"]


@pytest.mark.parametrize("count", MANY)
async def test_many_tasks_beside_each_other_run_and_one_waits_for_them_all(make_on_disk: Make, count: int) -> None:
    worker = Scripted()
    orchestrator = await make_on_disk(worker)
    tasks = [once(f"t{number}") for number in range(count - 1)]
    tasks.append(once("last", *(task.id for task in tasks)))
    await orchestrator.submit_batch(tasks, batch_id="b1")
    results = await orchestrator.wait_for_batch("b1", timeout=180)
    assert all(result.success for result in results)
    assert worker.ran[-1] == "last"


async def test_a_single_task_may_depend_on_an_earlier_one_whether_that_has_ended_or_not(make: Make) -> None:
    gate = Gate("gate", ["gate"])
    orchestrator = await make(gate, Scripted())
    await run(orchestrator, once("ended", payload={"data": 1}))
    await orchestrator.submit_task(once("runs", payload={"data": 2}, requirements=needs("gate")))
    await gate.next()
    task = once("t", "ended", "runs", payload={"data": ["{ended}", "{runs}"]})
    await orchestrator.submit_task(task)
    assert task.status is TaskStatus.PENDING
    gate.open()
    assert (await soon(orchestrator.wait_for("t"))).data == [1, 2]


async def test_a_single_task_that_depends_on_one_that_failed_before_is_cancelled(make: Make) -> None:
    worker = Scripted(fail_named)
    orchestrator = await make(worker)
    await run(orchestrator, once("bad"))
    result = await run(orchestrator, once("t", "bad"))
    assert result.error == "its dependency bad failed: no luck"
    anyhow = Task(depends_on_any=["bad"], payload={"data": 1})
    assert (await run(orchestrator, anyhow)).data == 1


async def test_a_single_task_that_depends_on_an_unknown_one_is_refused(make: Make) -> None:
    orchestrator = await make(Scripted())
    with pytest.raises(UnknownDependency, match="'ghost'"):
        await orchestrator.submit_task(once("t", "ghost"))
    assert await orchestrator.get_task("t") is None


async def test_what_the_runtime_remembers_of_a_batch_goes_with_it(make: Make) -> None:
    orchestrator = await make(Scripted(fail_named))
    for _ in range(3):
        await run_batch(
            orchestrator, [once("a"), once("bad", "a"), once("c", "bad"), Task(id="d", depends_on_any=["c"])]
        )
    parts = orchestrator._parts  # pyright: ignore[reportPrivateUsage]
    progress = parts.progress
    await until(lambda: not progress._background)  # pyright: ignore[reportPrivateUsage]
    assert (len(parts.live), len(progress.batches), len(parts.dispatcher.active)) == (0, 0, 0)
    upstream = progress._upstream  # pyright: ignore[reportPrivateUsage]
    assert not upstream._results and not upstream._references  # pyright: ignore[reportPrivateUsage]
    assert progress._dependencies.awaited() == set()  # pyright: ignore[reportPrivateUsage]
    assert not progress.awaited_elsewhere()
