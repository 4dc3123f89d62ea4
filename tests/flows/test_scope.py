from __future__ import annotations

from flows.scope import OwnRows
from vera_orchestrator.journal.records import TaskRow
from vera_orchestrator.models import Task
from vera_orchestrator.runtime.codec import decode_task, encode_spec
from vera_orchestrator.workers.parallel_batch import inner_batch_id


def row(task_id: str, batch_id: str | None = None, kind: str = "custom", submitted_at: float = 1.25) -> TaskRow:
    spec = encode_spec(Task(id=task_id), {}, after=(), batch_id=batch_id)
    return TaskRow(key=1, id=task_id, type=kind, priority=2, spec=spec, submitted_at=submitted_at)


def inside(outer: TaskRow) -> str:
    return inner_batch_id(decode_task(outer)[0])


def test_a_run_for_a_task_owns_that_task_and_no_other() -> None:
    own = OwnRows(task_id="mine")
    assert own(row("mine"))
    assert not own(row("other"))


def test_a_task_of_a_batch_is_not_taken_for_a_single_one_of_the_same_id() -> None:
    assert not OwnRows(task_id="mine")(row("mine", batch_id="theirs"))


def test_a_run_for_a_batch_owns_the_tasks_of_that_batch() -> None:
    own = OwnRows(batch_id="mine")
    assert own(row("a", batch_id="mine"))
    assert not own(row("a", batch_id="theirs"))
    assert not own(row("a"))


def test_what_is_inside_an_own_task_is_owned_at_any_depth() -> None:
    own = OwnRows(batch_id="mine")
    outer = row("outer", batch_id="mine", kind="parallel_batch")
    inner = row("inner", batch_id=inside(outer), kind="parallel_batch")
    assert own(outer)
    assert own(inner)
    assert own(row("innermost", batch_id=inside(inner)))


def test_what_is_inside_a_task_of_the_same_id_elsewhere_is_not() -> None:
    own = OwnRows(task_id="outer")
    assert own(row("outer", kind="parallel_batch"))
    assert not own(row("inner", batch_id=inside(row("outer", submitted_at=2.5))))


def test_a_run_for_nothing_owns_nothing() -> None:
    assert not OwnRows()(row("a"))
    assert not OwnRows()(row("a", batch_id="b"))
