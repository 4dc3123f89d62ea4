from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.sandbox.support import ready
from vera_orchestrator.enums import TaskType, WorkerStatus
from vera_orchestrator.errors import InvalidPayload, NotAllowed, NotConfigured
from vera_orchestrator.models import Task, TaskRequirements, TaskResult
from vera_orchestrator.sandbox import Sandbox
from vera_orchestrator.settings import OrchestratorConfig
from vera_orchestrator.workers.code_execution import CodeExecutionWorker


@pytest.fixture
def config(tmp_path: Path) -> OrchestratorConfig:
    return OrchestratorConfig(home=tmp_path / "home", sandbox_memory_mb=256, sandbox_output_bytes=10_000)


@pytest.fixture
async def worker(config: OrchestratorConfig) -> CodeExecutionWorker:
    await ready(Sandbox())
    worker = CodeExecutionWorker(config)
    assert await worker.start()
    return worker


async def run(worker: CodeExecutionWorker, code: str, **payload: object) -> TaskResult:
    return await worker.execute_task(Task(type=TaskType.CODE_EXECUTION, payload={"code": code, **payload}))


async def test_python_code_answers_with_its_output(worker: CodeExecutionWorker) -> None:
    result = await run(worker, "print(sum(range(10)))")
    assert (result.success, result.data, result.error) == (True, "45\n", None)
    assert result.metrics["exit_code"] == 0
    assert result.metrics["truncated_bytes"] == 0
    assert result.worker_id == "code-execution"
    assert result.execution_time_ms > 0


async def test_bash_code_answers_with_its_output(worker: CodeExecutionWorker) -> None:
    result = await run(worker, "for n in {1..3}; do echo $n; done", language="bash")
    assert (result.success, result.data) == (True, "1\n2\n3\n")


async def test_code_that_calls_exit_ends(worker: CodeExecutionWorker) -> None:
    assert (await run(worker, "exit(0)")).success


async def test_a_program_that_fails_is_not_tried_again(worker: CodeExecutionWorker) -> None:
    result = await run(worker, "print('before')\nraise KeyError('x')")
    assert (result.success, result.retryable, result.data) == (False, False, "before\n")
    assert result.metrics["exit_code"] == 1
    assert result.error is not None
    assert result.error.endswith("KeyError: 'x'")


async def test_a_silent_failure_names_the_exit_code(worker: CodeExecutionWorker) -> None:
    assert (await run(worker, "exit 4", language="bash")).error == "exit code 4"


async def test_input_and_files_reach_the_program(worker: CodeExecutionWorker) -> None:
    code = "import sys, helper; print(sys.stdin.read(), helper.X, open('d/x').read())"
    result = await run(worker, code, stdin="in", files={"helper.py": "X = 1", "d/x": "y"})
    assert result.data == "in 1 y\n"


async def test_a_program_past_its_own_time_limit_is_ended(worker: CodeExecutionWorker) -> None:
    result = await run(worker, "print('begun')\nwhile True: pass", timeout=1)
    assert (result.success, result.error_type) == (False, "TaskTimeout")
    assert "1 s" in str(result.error)


async def test_output_beyond_the_setting_is_counted(worker: CodeExecutionWorker) -> None:
    result = await run(worker, "print('x' * 50_000)")
    assert result.success
    assert result.metrics["truncated_bytes"] == 40_001


async def test_the_network_is_refused_unless_the_operator_allows_it(
    worker: CodeExecutionWorker, config: OrchestratorConfig
) -> None:
    with pytest.raises(NotAllowed, match="sandbox_network"):
        await run(worker, "", network=True)
    allowing = CodeExecutionWorker(config.model_copy(update={"sandbox_network": True}))
    assert (await run(allowing, "", network=True)).success


@pytest.mark.parametrize(
    ("payload", "field"),
    [
        ({"timeout": 0}, "payload.timeout"),
        ({"language": "perl"}, "payload.language"),
        ({"files": {"../x": ""}}, "payload.files"),
        ({"files": {"main.py": ""}}, "payload.files"),
        ({"code": "print('\ud800')"}, "payload"),
    ],
)
async def test_a_payload_that_does_not_fit_is_refused_by_name(
    worker: CodeExecutionWorker, payload: dict[str, object], field: str
) -> None:
    with pytest.raises(InvalidPayload) as caught:
        await worker.execute_task(Task(type=TaskType.CODE_EXECUTION, payload={"code": "", **payload}))
    assert str(caught.value).startswith(field)


async def test_the_state_folder_is_not_visible(worker: CodeExecutionWorker, config: OrchestratorConfig) -> None:
    config.home.mkdir()
    result = await run(worker, f"import os; print(os.path.exists({str(config.home)!r}))")
    assert result.data == "False\n"


async def test_a_cancelled_task_is_cancelled(worker: CodeExecutionWorker) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await run(worker, "while True: pass")
    assert (await run(worker, "print('next')")).data == "next\n"


async def test_without_a_sandbox_the_worker_says_what_to_install_and_recovers(
    worker: CodeExecutionWorker, config: OrchestratorConfig, tmp_path: Path
) -> None:
    del worker  # makes sure that there is a real one
    bare = CodeExecutionWorker(config, sandbox=Sandbox(bwrap=tmp_path / "bwrap"))
    assert not await bare.start()
    assert (bare.status, bare.is_usable) == (WorkerStatus.ERROR, False)
    assert "apt-get install bubblewrap" in str(bare.status_reason)
    with pytest.raises(NotConfigured):
        await run(bare, "")
    (tmp_path / "bwrap").symlink_to("/usr/bin/bwrap")
    assert await bare.health_check()
    assert (bare.status, bare.status_reason) == (WorkerStatus.IDLE, None)
    assert (await run(bare, "print(1)")).success


async def test_a_stopped_worker_stays_stopped_when_its_health_is_asked(worker: CodeExecutionWorker) -> None:
    assert await worker.stop()
    await worker.health_check()
    assert worker.status is WorkerStatus.OFFLINE


def test_a_task_that_asks_for_more_memory_than_a_program_gets_is_not_accepted(config: OrchestratorConfig) -> None:
    worker = CodeExecutionWorker(config)
    assert worker.accepts(Task(requirements=TaskRequirements(memory_mb=256)))
    assert not worker.accepts(Task(requirements=TaskRequirements(memory_mb=257)))
    assert worker.config.max_concurrent_tasks >= 2
