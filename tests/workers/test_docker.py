"""The Docker worker on a real Docker Engine: that of `make services`, or the one that DOCKER_HOST names."""

from __future__ import annotations

import asyncio
import io
import json
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from requests import Response

from vera_orchestrator.enums import TaskType, WorkerStatus
from vera_orchestrator.errors import InvalidPayload, NotConfigured, WorkerUnavailable
from vera_orchestrator.models import Task, TaskRequirements, TaskResult, WorkerConfig
from vera_orchestrator.settings import OrchestratorConfig
from vera_orchestrator.workers.docker import DockerWorker, DockerWorkerPool
from vera_orchestrator.workers.docker_attach import frames
from vera_orchestrator.workers.docker_engine import OWNER_LABEL, WORKER_LABEL, Containers, is_dead, own_mark
from vera_orchestrator.workers.registry import WorkerRegistry

IMAGE = "vera-worker:latest"


@pytest.fixture
def config(tmp_path: Path) -> OrchestratorConfig:
    return OrchestratorConfig(
        home=tmp_path, sandbox_memory_mb=64, sandbox_processes=24, sandbox_output_bytes=10_000, docker_image=IMAGE
    )


@pytest.fixture
def docker(docker_host: str) -> Iterator[Any]:
    """A client of a Docker that has the image; its tests are skipped where there is none."""
    del docker_host  # set in the environment
    try:
        with Containers().connected() as client:
            if not client.images(IMAGE):
                pytest.skip(f"no image {IMAGE}: make services (or docker build -t {IMAGE} worker)")
            yield client
    except WorkerUnavailable as error:
        pytest.skip(f"{error} (for the tests: make services)")


@pytest.fixture
async def worker(docker: Any, config: OrchestratorConfig) -> DockerWorker:
    """A started worker with a name of its own, by which its containers can be told from others."""
    del docker
    worker = DockerWorker(config, f"docker-{uuid4().hex}")
    assert await worker.start()
    return worker


def containers_of(client: Any, worker: DockerWorker) -> list[str]:
    rows = client.containers(all=True, filters={"label": f"{WORKER_LABEL}={worker.worker_id}"})
    return [row["Names"][0] for row in rows]


def docker_task(command: list[str] | str, **payload: object) -> Task:
    return Task(type=TaskType.DOCKER_TASK, payload={"command": command, **payload})


async def run(worker: DockerWorker, command: list[str] | str, **payload: object) -> TaskResult:
    return await worker.execute_task(docker_task(command, **payload))


async def test_a_command_answers_with_its_output_and_leaves_nothing(docker: Any, worker: DockerWorker) -> None:
    result = await run(worker, ["python3", "-c", "import sys; print('a  b'); print('e', file=sys.stderr)"])
    assert (result.success, result.data, result.error) == (True, "a  b\n", None)
    assert result.metrics == {"exit_code": 0, "stderr": "e\n", "truncated_bytes": 0, "oom_killed": False}
    assert (result.worker_id, result.execution_time_ms > 0) == (worker.worker_id, True)
    assert containers_of(docker, worker) == []


async def test_text_is_split_into_words_and_no_shell_sees_it(worker: DockerWorker) -> None:
    assert (await run(worker, "echo 'a  b' c; echo $HOME")).data == "a  b c; echo $HOME\n"


async def test_the_environment_reaches_the_command(worker: DockerWorker) -> None:
    result = await run(worker, ["bash", "-c", "echo $GREETING $HOME"], environment={"GREETING": "hi"})
    assert result.data == "hi /tmp\n"


async def test_a_command_that_fails_is_not_tried_again(worker: DockerWorker) -> None:
    result = await run(worker, ["bash", "-c", "echo before; echo why >&2; exit 3"])
    assert (result.success, result.retryable, result.data, result.error) == (False, False, "before\n", "why")
    assert result.metrics["exit_code"] == 3
    assert (await run(worker, ["bash", "-c", "exit 4"])).error == "exit code 4"


async def test_a_program_that_the_image_does_not_have_is_named(worker: DockerWorker) -> None:
    result = await run(worker, ["no-such-program"])
    assert (result.success, result.retryable, result.metrics["exit_code"]) == (False, False, 127)
    assert "no-such-program" in str(result.error)


async def test_a_command_that_closes_its_output_is_awaited(worker: DockerWorker) -> None:
    code = "import os; os.close(1); os.close(2); sum(range(5_000_000)); os._exit(5)"
    assert (await run(worker, ["python3", "-c", code])).metrics["exit_code"] == 5


async def test_a_container_may_use_only_what_it_was_given(worker: DockerWorker) -> None:
    code = """
import json, os, pathlib, signal
status = dict(line.split(":\\t", 1) for line in pathlib.Path("/proc/self/status").read_text().splitlines())
children = []
try:
    while len(children) < 100:
        child = os.fork()
        if not child:
            signal.pause()
        children.append(child)
except BlockingIOError:
    pass
for child in children:
    os.kill(child, 9)
def writable(path):
    try:
        pathlib.Path(path).write_text("x")
    except OSError:
        return False
    return True
print(json.dumps({
    "ids": [os.getuid(), os.getgid()],
    "capabilities": sorted({int(status[name], 16) for name in ("CapPrm", "CapEff", "CapBnd", "CapAmb")}),
    "no_new_privileges": status["NoNewPrivs"],
    "interfaces": os.listdir("/sys/class/net"),
    "writable": [path for path in ("/x", "/etc/x", "/tmp/x") if writable(path)],
    "scratch_mb": os.statvfs("/tmp").f_blocks * os.statvfs("/tmp").f_frsize >> 20,
    "forks": len(children) < 24,
}))
"""
    result = await run(worker, ["python3", "-c", code])
    assert result.success, result.error
    assert json.loads(result.data) == {
        "ids": [65534, 65534],
        "capabilities": [0],
        "no_new_privileges": "1",
        "interfaces": ["lo"],
        "writable": ["/tmp/x"],
        "scratch_mb": 64,
        "forks": True,
    }


async def test_a_command_that_takes_too_much_memory_is_ended_and_it_is_said_why(worker: DockerWorker) -> None:
    result = await run(worker, ["python3", "-c", "bytearray(200 << 20)"])
    assert (result.success, result.retryable, result.metrics["oom_killed"]) == (False, False, True)
    assert "64 MiB" in str(result.error)


async def test_of_long_output_head_and_tail_are_kept(worker: DockerWorker) -> None:
    result = await run(worker, ["python3", "-c", "print('head' + 'x' * 49_991 + 'tail')"])
    assert result.success
    assert (result.data[:4], result.data[-5:]) == ("head", "tail\n")
    assert result.metrics["truncated_bytes"] == 40_000


async def test_a_flood_of_output_is_ended(docker: Any, config: OrchestratorConfig) -> None:
    del docker
    worker = DockerWorker(config.model_copy(update={"sandbox_output_bytes": 200_000}))
    assert await worker.start()
    async with asyncio.timeout(30):
        result = await run(worker, ["yes"])
    assert (result.success, result.retryable) == (False, False)
    assert "far more output" in str(result.error)
    assert len(result.data) < 201_000


async def test_a_cancelled_task_leaves_no_container(docker: Any, worker: DockerWorker) -> None:
    wanted = {"label": f"{WORKER_LABEL}={worker.worker_id}", "event": "start"}
    began = int(time.time()) - 1
    running = asyncio.create_task(run(worker, ["sleep", "1000"]))
    events = docker.events(since=began, filters=wanted, decode=True)
    await asyncio.to_thread(next, events)
    await asyncio.to_thread(events.close)
    assert len(containers_of(docker, worker)) == 1
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert containers_of(docker, worker) == []
    assert (await run(worker, ["echo", "next"])).data == "next\n"


@pytest.mark.parametrize("seconds", [0, 0.01, 0.03, 0.06, 0.1, 0.2])
async def test_a_task_cancelled_at_any_moment_leaves_no_container(
    docker: Any, worker: DockerWorker, seconds: float
) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(seconds):
            await run(worker, ["sleep", "1000"])
    assert (await run(worker, ["echo", "next"])).data == "next\n"
    assert containers_of(docker, worker) == []


async def test_a_task_of_a_stopped_worker_can_still_be_cancelled(docker: Any, worker: DockerWorker) -> None:
    running = asyncio.create_task(run(worker, ["sleep", "1000"]))
    await asyncio.wait([running], timeout=0)  # lets it begin
    assert await worker.stop()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert containers_of(docker, worker) == []


async def test_tasks_run_side_by_side(docker: Any, config: OrchestratorConfig) -> None:
    del docker
    worker = DockerWorker(config, config=WorkerConfig(max_concurrent_tasks=3))
    assert await worker.start()
    results = await asyncio.gather(*(run(worker, ["echo", str(number)]) for number in range(6)))
    assert [result.data for result in results] == [f"{number}\n" for number in range(6)]
    assert await worker.stop()


async def test_an_image_that_docker_does_not_have_is_named_with_the_remedy(
    worker: DockerWorker, config: OrchestratorConfig
) -> None:
    with pytest.raises(NotConfigured, match=r"no image 'no-such-image:1'.* docker pull no-such-image:1"):
        await run(worker, ["true"], image="no-such-image:1")
    assert worker.is_usable
    with pytest.raises(NotConfigured, match="docker pull none-such"):
        other = DockerWorker(config.model_copy(update={"docker_image": "none-such"}))
        assert await other.start()
        await run(other, ["true"])


@pytest.mark.parametrize(
    ("payload", "field"),
    [
        ({"command": []}, "payload.command"),
        ({"command": " "}, "payload.command"),
        ({"command": "echo 'open"}, "payload.command"),
        ({"command": ["echo", "\0"]}, "payload.command"),
        ({"command": ["env"], "environment": {"A": "\0"}}, "payload.environment"),
        ({"command": ["env"], "environment": {"": "b"}}, "payload"),
        ({"command": ["env"], "image": "Not An Image"}, "payload"),
        ({}, "payload.command"),
    ],
)
async def test_a_payload_that_does_not_fit_is_refused_by_name(
    worker: DockerWorker, payload: dict[str, object], field: str
) -> None:
    with pytest.raises(InvalidPayload) as caught:
        await worker.execute_task(Task(type=TaskType.DOCKER_TASK, payload=payload))
    assert caught.value.field is not None
    assert caught.value.field.startswith(field)


async def test_what_a_dead_process_left_is_removed_and_nothing_else(docker: Any, config: OrchestratorConfig) -> None:
    code = "from vera_orchestrator.workers.docker_engine import own_mark; print(own_mark())"
    dead = await asyncio.to_thread(subprocess.check_output, [sys.executable, "-c", code], text=True)
    marks = {"dead": dead.strip(), "living": own_mark(), "elsewhere": "another-machine/1/2"}
    names = {which: f"vera-test-{uuid4().hex}" for which in marks}
    for which, mark in marks.items():
        docker.create_container(IMAGE, ["true"], name=names[which], labels={OWNER_LABEL: mark})
    try:
        worker = DockerWorker(config)
        assert await worker.start()
        left = {row["Names"][0].lstrip("/") for row in docker.containers(all=True)}
        assert {which for which in marks if names[which] in left} == {"living", "elsewhere"}
    finally:
        for name in names.values():
            Containers().remove(docker, name)


async def test_a_docker_that_comes_later_is_taken_up_by_the_health_check(
    docker: Any, config: OrchestratorConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not str(docker.base_url).startswith("http+docker"):
        pytest.skip("Docker is not at a socket in the file system")
    real = next(iter(docker.adapters.values())).socket_path
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path / 'docker.sock'}")
    worker = DockerWorker(config)
    assert not await worker.start()
    assert (worker.status, worker.is_usable) == (WorkerStatus.OFFLINE, False)
    assert "Docker does not answer: start it" in str(worker.status_reason)
    with pytest.raises(WorkerUnavailable):
        await run(worker, ["true"])
    (tmp_path / "docker.sock").symlink_to(real)
    assert await worker.health_check()
    assert (worker.status, worker.status_reason) == (WorkerStatus.IDLE, None)
    assert (await run(worker, ["echo", "1"])).data == "1\n"
    (tmp_path / "docker.sock").unlink()
    with pytest.raises(WorkerUnavailable):
        await run(worker, ["true"])
    assert (worker.status, await worker.health_check()) == (WorkerStatus.OFFLINE, False)


async def test_a_stopped_worker_stays_stopped_when_its_health_is_asked(worker: DockerWorker) -> None:
    assert await worker.stop()
    assert not await worker.health_check()
    assert worker.status is WorkerStatus.OFFLINE
    with pytest.raises(WorkerUnavailable, match="not started"):
        await run(worker, ["true"])


def test_a_task_that_asks_for_more_than_a_container_gets_is_not_accepted(config: OrchestratorConfig) -> None:
    worker = DockerWorker(config)
    assert worker.accepts(Task(requirements=TaskRequirements(memory_mb=64, cpu_cores=0.5)))
    assert not worker.accepts(Task(requirements=TaskRequirements(memory_mb=65)))
    assert not worker.accepts(Task(requirements=TaskRequirements(cpu_cores=10_000)))


async def test_a_pool_registers_as_many_workers_as_the_settings_say(docker: Any, config: OrchestratorConfig) -> None:
    del docker
    registry = WorkerRegistry()
    pool = DockerWorkerPool(registry, config)
    await pool.start()
    await pool.start()
    workers = registry.get_all_workers()
    assert [worker.worker_id for worker in workers] == ["docker-1", "docker-2", "docker-3"]
    assert all(worker.is_usable for worker in workers)
    await pool.stop()
    assert registry.get_all_workers() == []
    assert not any(worker.is_usable for worker in workers)


async def test_without_docker_a_pool_registers_one_worker_that_says_what_is_missing(
    config: OrchestratorConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path / 'docker.sock'}")
    registry = WorkerRegistry()
    pool = DockerWorkerPool(registry, config)
    await pool.start()
    (worker,) = registry.get_all_workers()
    assert (worker.worker_id, worker.status) == ("docker-1", WorkerStatus.OFFLINE)
    assert "then docker_task works" in str(worker.status_reason)
    await pool.stop()


async def test_a_pool_of_no_workers_asks_for_no_docker(config: OrchestratorConfig) -> None:
    registry = WorkerRegistry()
    await DockerWorkerPool(registry, config.model_copy(update={"docker_pool_size": 0})).start()
    assert registry.get_all_workers() == []


@given(st.lists(st.tuples(st.sampled_from([1, 2]), st.binary(max_size=100))), st.integers(0, 7))
def test_output_is_told_apart_by_its_source_and_a_broken_end_is_left_out(
    pieces: list[tuple[int, bytes]], broken: int
) -> None:
    response = Response()
    whole = b"".join(struct.pack(">BxxxL", source, len(data)) + data for source, data in pieces)
    response.raw = io.BytesIO(whole + bytes(broken))
    assert list(frames(response)) == [(source, data) for source, data in pieces if data]


@given(st.text())
def test_an_owner_that_cannot_be_read_is_not_taken_for_dead(mark: str) -> None:
    assert not is_dead(mark)
    assert not is_dead(own_mark())
