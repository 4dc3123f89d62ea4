"""What users of the library put in: task types, routers, workers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from tests.runtime.conftest import Make
from tests.support import Scripted, run, settings
from vera_orchestrator import payloads
from vera_orchestrator.errors import InvalidPayload, InvalidValue
from vera_orchestrator.models import Task
from vera_orchestrator.payloads import register_task_type
from vera_orchestrator.routing import Candidate, TaskRouter
from vera_orchestrator.workers import registry


class ResizePayload(BaseModel):
    """A picture to be resized."""

    width: int
    data: str = "picture"


@pytest.fixture
def resize() -> Iterator[str]:
    register_task_type("resize_image", ResizePayload, capabilities=["images"])
    yield "resize_image"
    del payloads.TASK_TYPES["resize_image"]


async def test_a_type_of_ones_own_runs_on_the_workers_that_have_its_capabilities(make: Make, resize: str) -> None:
    images = Scripted(worker_id="images", capabilities=["images"])
    orchestrator = await make(Scripted(), images)
    result = await run(orchestrator, Task(type=resize, payload={"width": 10, "data": "p"}))
    assert (result.data, result.worker_id) == ("p", "images")
    assert [one["type"] for one in orchestrator.get_task_history()] == ["resize_image"]


async def test_a_payload_of_ones_own_type_is_checked(make: Make, resize: str) -> None:
    orchestrator = await make(Scripted(capabilities=["images"]))
    with pytest.raises(InvalidPayload, match="width"):
        await orchestrator.submit_task(Task(type=resize, payload={"width": "wide"}))


def test_a_type_can_be_registered_twice_but_not_otherwise(resize: str) -> None:
    register_task_type(resize, ResizePayload, capabilities=["images"])
    with pytest.raises(InvalidValue, match="resize_image"):
        register_task_type(resize, payloads.AnyPayload, capabilities=[])
    with pytest.raises(InvalidValue, match="custom"):
        register_task_type("custom", ResizePayload, capabilities=[])


class LastName(TaskRouter):
    """Takes the worker whose id comes last, and never one called `no…`."""

    def __init__(self) -> None:
        self.asked: list[Sequence[Candidate]] = []

    def rank(self, task: Task, candidates: Sequence[Candidate]) -> Sequence[Candidate]:
        self.asked.append(candidates)
        fit = [one for one in candidates if not one.worker_id.startswith("no")]
        return sorted(fit, key=lambda one: one.worker_id, reverse=True)


async def test_a_router_of_ones_own_decides_between_usable_workers(make: Make) -> None:
    router = LastName()
    full = Scripted(worker_id="z", slots=1)
    full.running = 1
    orchestrator = await make(Scripted(worker_id="a"), Scripted(worker_id="b"), full, router=router)
    assert (await run(orchestrator, Task())).worker_id == "b"
    assert [one.worker_id for one in router.asked[0]] == ["a", "b"]


async def test_a_worker_that_the_router_leaves_out_is_not_tried(make: Make) -> None:
    never = Scripted(worker_id="never")
    orchestrator = await make(Scripted(worker_id="no"), router=LastName(), unavailable_wait_seconds=0)
    result = await run(orchestrator, Task(max_wait_seconds=0.01))
    assert result.error_type == "TaskExpired"
    assert never.ran == []


async def test_the_cheaper_worker_is_taken_by_default(make: Make) -> None:
    class Priced(Scripted):
        price = 0.0

        def expected_cost(self, task: Task) -> float:
            return self.price

    dear, cheap = Priced(worker_id="a"), Priced(worker_id="b")
    dear.price, cheap.price = 2.0, 1.0
    orchestrator = await make(dear, cheap)
    assert (await run(orchestrator, Task())).worker_id == "b"


async def test_the_less_loaded_of_equal_workers_is_taken_by_default(make: Make) -> None:
    from tests.support import Gate

    loaded, idle = Gate(worker_id="a"), Gate(worker_id="b")
    orchestrator = await make(loaded, idle)
    for _ in range(4):
        await orchestrator.submit_task(Task())
    for gate in (loaded, idle):
        await gate.next()
        await gate.next()
    assert (loaded.running, idle.running) == (2, 2)


def offered(monkeypatch: pytest.MonkeyPatch, **values: str) -> None:
    points = [EntryPoint(name, value, registry.ENTRY_POINT_GROUP) for name, value in values.items()]

    def entry_points(*, group: str) -> list[EntryPoint]:
        assert group == registry.ENTRY_POINT_GROUP
        return points

    monkeypatch.setattr(registry, "entry_points", entry_points)


def make_worker(config: Any) -> Scripted:
    """What an installed package would offer."""
    return Scripted(worker_id=f"installed in {config.home.name}")


async def test_a_kind_of_worker_from_an_installed_package_is_there_by_itself(
    make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    offered(monkeypatch, mine=f"{__name__}:make_worker", broken="no_such_module:worker")
    kinds = registry.installed_worker_kinds()
    assert list(kinds) == ["mine"]
    assert "broken" in caplog.text
    worker = kinds["mine"](settings(tmp_path))
    orchestrator = await make(worker)
    assert (await run(orchestrator, Task())).worker_id == f"installed in {tmp_path.name}"
