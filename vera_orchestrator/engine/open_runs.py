"""Which flow runs a process has open, so that the next one can show the end of those whose process has died."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from uuid import UUID, uuid4

from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId, TaskRunFilter
from prefect.client.schemas.filters import TaskRunFilterState as StateFilter
from prefect.client.schemas.filters import TaskRunFilterStateType as StateTypeFilter
from prefect.client.schemas.objects import StateType
from prefect.exceptions import ObjectNotFound
from prefect.states import Crashed

from vera_orchestrator.engine.locks import FileLock, is_held

MESSAGE = "the process that ran it has died"
TASK_RUNS_AT_A_TIME = 200


class OpenRuns:
    """A folder with an empty file for each open flow run, beside a file that is locked while the process lives."""

    def __init__(self, home: Path) -> None:
        self._folder = home / "runs" / uuid4().hex
        self._folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock_path = _lock_of(self._folder)
        self._lock = FileLock.exclusive(self._lock_path)
        self._folder.mkdir(mode=0o700)  # only now: whoever sees the folder finds it locked

    def add(self, flow_run_id: UUID) -> None:
        """Note that a flow run has begun."""
        (self._folder / str(flow_run_id)).touch(mode=0o600)

    def remove(self, flow_run_id: UUID) -> None:
        """Note that a flow run has ended."""
        (self._folder / str(flow_run_id)).unlink(missing_ok=True)

    def release(self) -> None:
        """Leave what is still open to the next process."""
        if not any(self._folder.iterdir()):
            forget(self._folder)
        self._lock.release()


def left_open(home: Path) -> Mapping[Path, Sequence[UUID]]:
    """Return the flow runs that dead processes left open, by the folder that says so."""
    folders = [path for path in (home / "runs").glob("*") if path.is_dir() and not is_held(_lock_of(path))]
    return {folder: [UUID(path.name) for path in folder.iterdir()] for folder in folders}


def forget(folder: Path) -> None:
    """Remove a folder of `left_open`."""
    shutil.rmtree(folder, ignore_errors=True)
    _lock_of(folder).unlink(missing_ok=True)


async def end_left_open(home: Path) -> None:
    """Set the flow runs that dead processes left open to crashed; raises what the Prefect client raises."""
    for folder, flow_run_ids in left_open(home).items():
        async with get_client() as client:
            for flow_run_id in flow_run_ids:
                await _crash(client, flow_run_id)
                (folder / str(flow_run_id)).unlink(missing_ok=True)
        forget(folder)


async def _crash(client: PrefectClient, flow_run_id: UUID) -> None:
    try:
        flow_run = await client.read_flow_run(flow_run_id)
    except ObjectNotFound:  # deleted, or of another server
        return
    if flow_run.state is not None and flow_run.state.is_final():
        return
    task_runs = await client.read_task_runs(
        flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[flow_run_id])),
        task_run_filter=TaskRunFilter(
            state=StateFilter(type=StateTypeFilter(any_=[StateType.RUNNING, StateType.PENDING]))
        ),
        limit=TASK_RUNS_AT_A_TIME,
    )
    for task_run in task_runs:
        await client.set_task_run_state(task_run.id, Crashed(message=MESSAGE), force=True)
    await client.set_flow_run_state(flow_run_id, Crashed(message=MESSAGE), force=True)


def _lock_of(folder: Path) -> Path:
    return folder.with_suffix(".alive")
