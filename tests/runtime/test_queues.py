"""What the status says of the tasks that wait."""

from __future__ import annotations

from tests.runtime.conftest import Make
from tests.support import Gate, soon
from vera_orchestrator.enums import TaskPriority, TaskStatus
from vera_orchestrator.models import Task


async def test_the_status_tells_the_waiting_tasks_by_priority(make: Make) -> None:
    gate = Gate(slots=1)
    one = await make(gate)
    await one.submit_task(Task(id="running"))
    await gate.next()
    waiting = [Task(priority=TaskPriority.HIGH), Task(priority=TaskPriority.HIGH), Task(priority=TaskPriority.LOW)]
    for task in waiting:
        await one.submit_task(task)
    queues = one.get_status()["queues"]
    assert {name: queue["waiting"] for name, queue in queues.items()} == {
        "critical": 0,
        "high": 2,
        "normal": 0,
        "low": 1,
        "background": 0,
    }
    assert queues["critical"]["oldest_wait_seconds"] == 0.0
    assert queues["high"]["oldest_wait_seconds"] >= queues["low"]["oldest_wait_seconds"] >= 0.0
    status, reason = one.standing(waiting[1])
    assert (status, reason is None) == (TaskStatus.WAITING_RESOURCES, False)
    gate.open()
    for task in waiting:
        await soon(one.wait_for(task.id))
    assert not any(queue["waiting"] for queue in one.get_status()["queues"].values())
    assert one.standing(waiting[1]) == (TaskStatus.COMPLETED, None)
