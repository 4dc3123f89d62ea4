"""The deployed flows, as their users run them: by command, through a Prefect worker."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Generator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from prefect.client.orchestration import PrefectClient

from tests.flows.seen import result_of, state_of, statuses, task_runs, upstream_of
from tests.flows.site import Site, get
from tests.flows.station import RUN_SECONDS, Command, Ended, Station
from tests.support import PATIENCE, Scripted, orchestrator, settings, soon
from vera_orchestrator.enums import TaskStatus, TaskType
from vera_orchestrator.journal.base import Journal
from vera_orchestrator.journal.records import OwnerRow, TaskRow
from vera_orchestrator.models import Task, TaskResult, utcnow
from vera_orchestrator.workers.api_request import ApiRequestWorker

BATCH = "report"


@pytest.fixture(scope="module")
def stranger(station: Station) -> TaskRow:
    """A task of somebody else's without an owner, which the worker of any flow run could take charge of."""

    async def submit() -> None:
        async with orchestrator(station.home, Scripted(capabilities=["tool_execution"])) as other:
            payload = {"tool_name": "get_time"}
            later = utcnow() + timedelta(hours=1)
            await other.submit_task(Task(id="stranger", type=TaskType.TOOL_CALL, payload=payload, scheduled_at=later))

    asyncio.run(submit())
    row = station.look_up(lambda journal: journal.task("stranger"))
    assert row is not None and row.owner is None
    return row


@dataclass(frozen=True, kw_only=True)
class Runs:
    """Flow runs that were started together, since each takes some seconds to begin; two of them by command."""

    site: Site
    single: Command
    batch: Command
    code: UUID
    fragile: UUID
    slow: UUID

    def stop(self) -> None:
        """End the commands that nobody waited for."""
        self.site.answering.set()
        for command in (self.single, self.batch):
            command.stop()


@pytest.fixture(scope="module")
def runs(station: Station, stranger: TaskRow) -> Generator[Runs]:
    site = Site(station)
    tasks = [
        {"id": "first", **get(site.url("/part"))},
        {"id": "second", "type": "tool_call", "payload": {"tool_name": "get_time"}},
        {
            "id": "total",
            **get(site.url("/sum"), method="POST", json=["{first.value}", 41]),
            "depends_on": ["first", "second"],
        },
        {"id": "broken", **get(site.url("/broken"))},
        {"id": "never", **get(site.url("/part")), "depends_on": ["broken"]},
    ]
    slow = {"id": "slow", "retry_delay_seconds": 0.01}
    started = Runs(
        site=site,
        single=station.command(
            *("prefect", "deployment", "run", "run-task/vera", "--watch", "--watch-interval", "1"),
            *("--param", "type=api_request", "--param", f'payload={{"url": "{site.url("/part")}"}}'),
        ),
        batch=station.watch("run-batch/vera", tasks=tasks, batch_id=BATCH),
        code=station.start("run-task/vera", type="code_execution", payload={"code": "print(6 * 7)"}),
        fragile=station.start(
            "run-task/vera", type="api_request", payload={"url": site.url("/fragile")}, options={"max_retries": 0}
        ),
        slow=station.start("run-task/vera", type="api_request", payload={"url": site.url("/slow")}, options=slow),
    )
    yield started
    started.stop()


class TestDeploying:
    def test_all_flows_are_deployed_without_a_question(self, station: Station) -> None:
        assert station.deployed.code == 0, station.deployed.output
        names = ["run-task/vera", "run-batch/vera", "background-cognition/vera", "maintenance/vera"]
        assert [name for name in names if f"'{name}' successfully created" not in station.deployed.output] == []

    def test_schedules_are_inactive_until_somebody_wants_them(self, station: Station) -> None:
        async def read(client: PrefectClient) -> list[bool]:
            names = ("background-cognition/vera", "maintenance/vera")
            deployments = [await client.read_deployment_by_name(name) for name in names]
            return [schedule.active for deployment in deployments for schedule in deployment.schedules]

        assert station.ask(read) == [False, False]


@pytest.fixture(scope="module")
def single(runs: Runs) -> Ended:
    return runs.single.ended()


class TestSingleTasks:
    def test_a_task_given_as_parameters_runs_to_completed(self, station: Station, single: Ended) -> None:
        assert single.code == 0, single.output
        assert state_of(station, single.flow_run_id) == ("api_request", "Completed")

    def test_its_result_is_in_the_journal_under_the_id_of_the_flow_run(self, station: Station, single: Ended) -> None:
        assert result_of(station, str(single.flow_run_id)) == {"value": 1}

    def test_it_is_one_task_run_with_a_readable_name_and_its_type(self, station: Station, single: Ended) -> None:
        ((name, run),) = task_runs(station, single.flow_run_id).items()
        assert name == f"api_request {str(single.flow_run_id)[:8]}"
        assert run.tags == ["type:api_request"]

    def test_code_runs_in_the_sandbox_of_the_flow_run(self, station: Station, runs: Runs) -> None:
        assert station.ended(runs.code) == "Completed"
        assert result_of(station, str(runs.code)) == "42\n"

    def test_a_task_of_somebody_else_is_left_alone(self, station: Station, single: Ended, stranger: TaskRow) -> None:
        row = station.look_up(lambda journal: journal.task("stranger"))
        assert row == stranger

    def test_a_run_that_is_retried_in_prefect_runs_its_task_again(self, station: Station, runs: Runs) -> None:
        failed = str(runs.fragile)
        assert station.ended(runs.fragile) == "Failed"
        assert station.command("prefect", "flow-run", "retry", failed).ended().code == 0
        assert runs.site.asked_again.wait(PATIENCE * 2)
        assert asyncio.run(awaited(station, failed)).data == "mended"


@dataclass(frozen=True, kw_only=True)
class FailedBatch:
    """The batch after its first run."""

    ended: Ended
    statuses: dict[str, str]


@pytest.fixture(scope="module")
def failed_batch(station: Station, runs: Runs) -> FailedBatch:
    ended = runs.batch.ended()
    return FailedBatch(ended=ended, statuses=statuses(station, BATCH))


async def awaited(station: Station, task_id: str) -> TaskResult:
    """Wait for a task that a flow run is in charge of."""
    async with orchestrator(station.home, Scripted()) as waiting:
        return await soon(waiting.wait_for(task_id))


class TestBatches:
    def test_a_failing_task_fails_the_flow_run_and_nothing_but_its_dependents(self, failed_batch: FailedBatch) -> None:
        assert failed_batch.ended.code == 1
        assert failed_batch.statuses == {
            "first": "completed",
            "second": "completed",
            "total": "completed",
            "broken": "failed",
            "never": "cancelled",
        }

    def test_placeholders_are_filled_in(self, station: Station, failed_batch: FailedBatch) -> None:
        assert result_of(station, "total") == 42

    def test_the_flow_run_shows_tasks_by_name_with_their_edges(
        self, station: Station, failed_batch: FailedBatch
    ) -> None:
        shown = task_runs(station, failed_batch.ended.flow_run_id)
        by_id = {run.id: name for name, run in shown.items()}
        edges = {name: sorted(by_id[one] for one in upstream_of(run)) for name, run in shown.items()}
        assert edges == {
            "api_request first": [],
            "tool_call second": [],
            "api_request total": ["api_request first", "tool_call second"],
            "api_request broken": [],
            "api_request never": ["api_request broken"],
        }
        assert shown["tool_call second"].tags == ["type:tool_call"]
        assert {name: run.state_name for name, run in shown.items() if run.state_name != "Completed"} == {
            "api_request broken": "Failed",
            "api_request never": "Cancelled",
        }

    def test_its_id_alone_runs_what_has_not_succeeded(
        self, station: Station, runs: Runs, failed_batch: FailedBatch
    ) -> None:
        assert failed_batch.ended.code == 1
        sums = runs.site.count("/sum")
        runs.site.mended.set()
        again = station.start("run-batch/vera", batch_id=BATCH)
        assert station.ended(again) == "Completed"
        assert state_of(station, again) == (BATCH, "Completed")
        assert set(statuses(station, BATCH).values()) == {"completed"}
        assert runs.site.count("/sum") == sums
        assert runs.site.count("/broken") == 2


class TestTakingOver:
    def test_the_task_of_a_killed_flow_run_goes_on_in_another_orchestrator(self, station: Station, runs: Runs) -> None:
        assert runs.site.asked_slow.acquire(timeout=RUN_SECONDS)
        owner = station.look_up(owner_of_slow)
        os.kill(owner.pid, signal.SIGKILL)
        runs.site.answering.set()

        async def take_over() -> Any:
            config = settings(station.home, http_allow=[station.web.endpoint])
            other = orchestrator(station.home, ApiRequestWorker(config), http_allow=[station.web.endpoint])
            async with other:
                result = await soon(other.wait_for("slow"))
                task = await other.get_task("slow")
                assert task is not None
                return result.data, task.retry_count

        assert asyncio.run(take_over()) == ("done", 1)
        assert station.ended(runs.slow) == "Crashed"


async def owner_of_slow(journal: Journal) -> OwnerRow:
    row = await journal.task("slow")
    assert row is not None and row.status is TaskStatus.RUNNING
    (owner,) = [owner for owner in await journal.owners() if owner.number == row.owner]
    return owner
