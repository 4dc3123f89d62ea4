from __future__ import annotations

import pytest
import yaml
from prefect.workers.process import ProcessWorker

from deployments.application import job_template
from deployments.plan import PoolPlan, read_plan
from tests.flows.station import ROOT
from vera_orchestrator.enums import TaskPriority, TaskType
from vera_orchestrator.errors import NotConfigured, NotFound


def test_there_is_a_queue_for_each_priority_in_their_order() -> None:
    queues = sorted(read_plan().queues, key=lambda queue: queue.priority)
    assert [queue.name for queue in queues] == [priority.name.lower() for priority in sorted(TaskPriority)]
    assert [queue.priority for queue in queues] == [1, 2, 3, 4, 5]


def test_only_the_pool_that_needs_nothing_else_is_applied_unasked() -> None:
    assert [pool.name for pool in read_plan().chosen([])] == ["vera-process"]


def test_a_named_pool_is_applied_instead() -> None:
    assert [pool.type for pool in read_plan().chosen(["vera-docker"])] == ["docker"]


def test_an_unknown_pool_is_named_with_those_there_are() -> None:
    with pytest.raises(NotFound, match=r"'vera-gpu' .*vera-process, vera-docker, vera-remote"):
        read_plan().chosen(["vera-gpu"])


def test_limits_are_for_types_that_exist() -> None:
    assert set(read_plan().limits) <= {*TaskType}


def test_every_planned_pool_has_a_job_template() -> None:
    for pool in read_plan().pools:
        variables = job_template(pool)["variables"]["properties"]
        assert {name: variables[name]["default"] for name in pool.variables} == dict(pool.variables)


def test_the_template_of_the_type_itself_is_left_as_it_is() -> None:
    pool = PoolPlan(name="p", type="process", description="", variables={"stream_output": False})
    before = ProcessWorker.get_default_base_job_template()
    assert job_template(pool) != before
    assert ProcessWorker.get_default_base_job_template() == before


@pytest.mark.parametrize(
    ("pool", "message"),
    [
        (PoolPlan(name="p", type="moon", description=""), r"p: .*'moon' are not installed.*process"),
        (PoolPlan(name="p", type="process", description="", variables={"image": "x"}), r"p: .*no variable 'image'"),
    ],
)
def test_a_pool_that_cannot_be_is_named_with_the_reason(pool: PoolPlan, message: str) -> None:
    with pytest.raises(NotConfigured, match=message):
        job_template(pool)


def test_deployments_use_pools_and_queues_that_are_applied() -> None:
    plan = read_plan()
    deployments = yaml.safe_load((ROOT / "prefect.yaml").read_text(encoding="utf-8"))["deployments"]
    assert deployments
    for deployment in deployments:
        assert deployment["work_pool"]["name"] in {pool.name for pool in plan.chosen([])}
        assert deployment["work_pool"]["work_queue_name"] in {queue.name for queue in plan.queues}
