"""The import surface that clients rely on: names, defaults, wire values."""

from __future__ import annotations

import dataclasses
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from BackgroundCognition import orchestrator as surface
from vera_orchestrator.models import NO_REQUIREMENTS

ROOT = Path(__file__).parent.parent
PACKAGE = "BackgroundCognition.orchestrator"
WORKERS = "BaseWorker WorkerCapability WorkerConfig WorkerStatus WorkerMetrics"
NAMES = {
    PACKAGE: "UnifiedOrchestrator OrchestratorConfig Task TaskType TaskStatus TaskPriority TaskRequirements TaskResult "
    "ParallelBatch BaseWorker WorkerCapability WorkerConfig WorkerStatus WorkerRegistry DockerWorker OllamaWorker "
    "LLMAPIWorker RemoteWorker ResourceManager LLMAPIPool APIQuota TaskRouter",
    f"{PACKAGE}.workers": f"{WORKERS} DockerWorker OllamaWorker LLMAPIWorker RemoteWorker WorkerRegistry "
    "DockerWorkerPool",
    f"{PACKAGE}.workers.base": WORKERS,
    f"{PACKAGE}.resources": "APIQuota APIUsage LLMAPIPool ResourceManager",
    f"{PACKAGE}.tasks": "Task TaskType TaskStatus TaskPriority TaskRequirements TaskResult ParallelBatch",
    f"{PACKAGE}.router": "TaskRouter SmartScheduler",
    f"{PACKAGE}.api_integration": "register_routes get_orchestrator initialize_orchestrator shutdown_orchestrator",
}


@pytest.mark.parametrize(("module", "name"), [(module, name) for module in NAMES for name in NAMES[module].split()])
def test_a_name_can_be_imported(module: str, name: str) -> None:
    assert hasattr(importlib.import_module(module), name)


def test_the_surface_exports_nothing_by_accident() -> None:
    assert {*NAMES[PACKAGE].split(), "register_task_type"} == set(surface.__all__)


def test_the_class_of_requirements_can_be_reached_as_clients_do() -> None:
    assert surface.Task.requirements is NO_REQUIREMENTS
    made = surface.Task.requirements.__class__(worker_capabilities=[surface.WorkerCapability.CUSTOM.value])
    assert made == surface.TaskRequirements(worker_capabilities=[surface.WorkerCapability.CUSTOM])


def test_task_defaults() -> None:
    task = surface.Task()
    assert (task.type, task.priority, task.status) == ("custom", 2, "pending")
    assert (task.max_retries, task.retry_count, task.retry_delay_seconds) == (3, 0, 1.0)
    assert (task.payload, task.metadata, task.tags, task.depends_on) == ({}, {}, [], [])
    assert task.can_parallelize
    assert task.store
    assert len(task.id) == 36
    assert surface.Task().id != task.id


def test_wire_values_are_accepted_where_members_are_meant() -> None:
    task = surface.Task(type="api_request", priority="High")  # type: ignore[arg-type]
    assert task.type is surface.TaskType.API_REQUEST
    assert task.priority is surface.TaskPriority.HIGH


def test_configuration_defaults() -> None:
    config = surface.OrchestratorConfig()
    assert (config.max_concurrent_tasks, config.docker_pool_size, config.docker_image) == (10, 3, "vera-worker:latest")
    assert (config.ollama_url, config.health_check_interval) == ("http://localhost:11434", 30)
    assert (config.task_timeout_seconds, config.enable_auto_scaling) == (300, True)


def test_quota_and_worker_configuration_defaults() -> None:
    assert dataclasses.astuple(surface.APIQuota()) == (60, 3600, 86400, None, None, None)
    assert dataclasses.astuple(surface.WorkerConfig()) == (1, None, 300, True, 30, {})


def test_a_foreign_package_of_the_same_name_is_reported_with_both_paths(tmp_path: Path) -> None:
    (tmp_path / "tasks.py").write_text("mine = True\n")
    (tmp_path / "api").mkdir()
    (tmp_path / "api" / "__init__.py").write_text("")
    (tmp_path / "main.py").write_text(f"import sys; sys.path.append({str(ROOT)!r}); import {PACKAGE}\n")
    done = subprocess.run([sys.executable, "main.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert str(tmp_path / "api") in done.stderr
    assert str(ROOT / "api") in done.stderr
    (tmp_path / "api" / "__init__.py").unlink()
    (tmp_path / "api").rmdir()
    done = subprocess.run([sys.executable, "main.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert str(tmp_path / "tasks.py") in done.stderr
    assert str(ROOT / "tasks") in done.stderr
