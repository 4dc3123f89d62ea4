"""Which tasks are told of first, and which not at all."""

from __future__ import annotations

from api.live.pending import PendingTasks
from BackgroundCognition.orchestrator import Task
from vera_orchestrator.runtime.events import TaskEvent, TaskEventKind


def pending(*happened: tuple[str, TaskEventKind], most: int = 100) -> PendingTasks:
    made = PendingTasks(most)
    for name, kind in happened:
        fraction = 0.5 if kind is TaskEventKind.PROGRESS else None
        made.add(TaskEvent(kind=kind, task=Task(id=name), worker_id="w", fraction=fraction))
    return made


def names(some: PendingTasks, count: int = 100) -> list[str]:
    return [changed.task.id for changed in some.take(count)]


def test_a_task_comes_once_and_those_that_move_before_those_that_wait() -> None:
    some = pending(
        ("a", TaskEventKind.ACCEPTED),
        ("b", TaskEventKind.ACCEPTED),
        ("b", TaskEventKind.WAITING),
        ("b", TaskEventKind.STARTED),
        ("c", TaskEventKind.ENDED),
    )
    assert len(some) == 3
    assert names(some) == ["b", "c", "a"]
    assert not len(some)


def test_some_are_taken_and_the_others_stay() -> None:
    some = pending(("a", TaskEventKind.ACCEPTED), ("b", TaskEventKind.ENDED), ("c", TaskEventKind.ACCEPTED))
    assert names(some, 2) == ["b", "a"]
    assert names(some, 2) == ["c"]


def test_progress_is_kept_while_the_task_runs() -> None:
    some = pending(("a", TaskEventKind.STARTED), ("a", TaskEventKind.PROGRESS))
    [changed] = some.take(1)
    assert changed.fraction == 0.5
    some.add(TaskEvent(kind=TaskEventKind.RETRYING, task=Task(id="a"), worker_id="w"))
    [changed] = some.take(1)
    assert changed.fraction is None


def test_of_too_many_the_oldest_are_lost() -> None:
    waiting = [(str(number), TaskEventKind.ACCEPTED) for number in range(4)]
    some = pending(*waiting, ("x", TaskEventKind.ENDED), most=2)
    assert [one.task_id for one in some.lost] == ["0", "1"]
    assert names(some) == ["x", "2", "3"]


def test_a_task_that_comes_again_under_its_id_is_told_as_the_new_one() -> None:
    some = pending(("a", TaskEventKind.ENDED))
    again = Task(id="a")
    some.add(TaskEvent(kind=TaskEventKind.ACCEPTED, task=again))
    [changed] = some.take(2)
    assert changed.task is again
