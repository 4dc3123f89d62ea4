"""The models of an Ollama host: what is in memory, downloads, several hosts."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st

from tests.http.server import Server, free_port
from vera_orchestrator.enums import TaskType, WorkerStatus
from vera_orchestrator.errors import (
    ContextTooLong,
    InvalidPayload,
    NotFound,
    TaskFailed,
    TaskTimeout,
    VeraError,
    WorkerUnavailable,
)
from vera_orchestrator.metering import NOT_SENT, Channel
from vera_orchestrator.models import Task, utcnow
from vera_orchestrator.settings import OrchestratorConfig
from vera_orchestrator.simulator.running import Running
from vera_orchestrator.simulator.settings import Fault, SimulatorSettings
from vera_orchestrator.simulator.simulator import Simulator
from vera_orchestrator.workers.llm import OllamaWorker
from vera_orchestrator.workers.llm.ollama_models import PullProgress, same_model
from vera_orchestrator.workers.llm.ollama_worker import ollama_workers

Told = list[tuple[float, str]]


@pytest_asyncio.fixture
async def worker(simulating: Running, simulator: Simulator) -> AsyncGenerator[OllamaWorker]:
    """A worker of a simulated host with one model."""
    simulator.configure(SimulatorSettings(models=("llama3.2",), pull_sizes=(900, 100)))
    worker = OllamaWorker(simulating.url)
    assert await worker.start(), worker.status_reason
    yield worker
    await worker.stop()


async def test_a_pulled_model_is_installed_and_the_way_there_is_told(worker: OllamaWorker) -> None:
    told: Told = []
    await worker.pull("phi4", lambda fraction, words: told.append((fraction, words)))
    assert [model.name for model in worker.models] == ["llama3.2:latest", "phi4:latest"]
    fractions = [fraction for fraction, _ in told]
    assert fractions == sorted(fractions)
    assert (told[0], told[-1]) == ((0.0, "pulling manifest (simulated)"), (1.0, "success"))
    assert 0.5 in fractions


async def test_a_pull_need_not_be_watched(worker: OllamaWorker) -> None:
    await worker.pull("phi4:14b")
    assert "phi4:14b" in worker.to_dict()["available_models"]


async def test_a_model_that_no_registry_has_is_not_found(worker: OllamaWorker, simulator: Simulator) -> None:
    simulator.configure(SimulatorSettings(models=("llama3.2",), pullable=("phi4",)))
    with pytest.raises(NotFound, match=r"no model 'phi44'\. Check its name"):
        await worker.pull("phi44")
    assert [model.name for model in worker.models] == ["llama3.2:latest"]


@pytest.mark.parametrize("outcome", [Fault.CUT, Fault.RESET, Fault.MALFORMED, Fault.STREAM_ERROR, 500])
async def test_a_download_that_breaks_can_be_tried_again(
    worker: OllamaWorker, simulator: Simulator, outcome: Fault | int
) -> None:
    simulator.configure(SimulatorSettings(errors=(outcome,)))
    with pytest.raises(TaskFailed) as caught:
        await worker.pull("phi4")
    assert caught.value.retryable
    await worker.pull("phi4")


async def test_a_download_that_stops_without_an_end_has_failed(simulated_provider: Server) -> None:
    simulated_provider.routes["/api/tags"] = lambda handler, _: handler.answer_json({"models": []})
    simulated_provider.routes["/api/pull"] = lambda handler, _: handler.answer_json({"status": "pulling manifest"})
    worker = OllamaWorker(simulated_provider.url)
    assert await worker.start()
    with pytest.raises(TaskFailed, match="ended too early"):
        await worker.pull("phi4")
    await worker.stop()


async def test_a_full_disk_is_told_in_the_servers_words(simulated_provider: Server) -> None:
    simulated_provider.routes["/api/tags"] = lambda handler, _: handler.answer_json({"models": []})
    simulated_provider.routes["/api/pull"] = lambda handler, _: handler.answer_json({"error": "no space left\non disk"})
    worker = OllamaWorker(simulated_provider.url)
    assert await worker.start()
    with pytest.raises(TaskFailed, match="did not download 'phi4': no space left on disk"):
        await worker.pull("phi4")
    await worker.stop()


async def test_a_download_ends_at_its_time(worker: OllamaWorker, simulator: Simulator) -> None:
    simulator.configure(SimulatorSettings(errors=(Fault.HANG,), cut_after=2))
    with pytest.raises(TaskTimeout):
        await worker.pull("phi4", seconds=0.2)


async def test_a_model_must_have_a_name(worker: OllamaWorker) -> None:
    with pytest.raises(InvalidPayload):
        await worker.pull("")


async def test_nothing_is_pulled_by_a_worker_that_is_not_started() -> None:
    with pytest.raises(WorkerUnavailable):
        await OllamaWorker("http://127.0.0.1:9").pull("phi4")


async def test_a_host_that_is_found_away_by_a_pull_is_offline() -> None:
    away = OllamaWorker(f"http://127.0.0.1:{free_port()}")
    assert not await away.start()
    away.status = WorkerStatus.IDLE  # as it was at the last health check
    with pytest.raises(WorkerUnavailable, match="ollama serve"):
        await away.pull("phi4")
    assert away.status is WorkerStatus.OFFLINE
    await away.stop()


async def test_a_watcher_may_be_async_and_harms_nobody(worker: OllamaWorker) -> None:
    told: list[float] = []

    async def watch(fraction: float, words: str) -> None:
        told.append(fraction)
        raise RuntimeError(words)

    await worker.pull("phi4", watch)
    assert told[-1] == 1


def asking(model: str | None, **more: Any) -> Task:
    payload = {"prompt": "hi", "model": model} if model else {"prompt": "hi"}
    return Task(type=TaskType.OLLAMA_REQUEST, payload=payload, timeout_seconds=20, **more)


async def test_it_offers_what_is_installed_and_nothing_else(worker: OllamaWorker) -> None:
    for model in ("llama3.2", "llama3.2:latest", "ollama/llama3.2"):
        (offer,) = worker.offers(asking(model))
        assert (offer.certain, offer.expected_cost) == (True, 0)
    assert [(offer.model, offer.certain) for offer in worker.offers(asking(None))] == [("llama3.2:latest", True)]
    for model in ("phi4", "llama3.2:70b", "openai/gpt-5.4-mini"):
        assert worker.offers(asking(model)) == ()
        assert not worker.accepts(asking(model))


async def test_a_host_that_was_never_reached_may_have_any_model() -> None:
    away = OllamaWorker(f"http://127.0.0.1:{free_port()}")
    assert not await away.start()
    assert [offer.certain for offer in away.offers(asking("phi4"))] == [False]
    await away.stop()


async def test_a_model_may_be_downloaded_where_the_settings_let_it(worker: OllamaWorker) -> None:
    worker.may_pull = True
    assert [(offer.model, offer.certain) for offer in worker.offers(asking("phi4"))] == [("phi4", False)]
    told: list[float] = []
    result = await worker.execute_task(asking("phi4", on_progress=told.append))
    assert (result.data, result.metrics["model"]) == ("[simulated] hi", "phi4")
    assert told[: told.index(1.0)] == sorted(told[: told.index(1.0)])
    assert [offer.certain for offer in worker.offers(asking("phi4"))] == [True]


async def test_what_is_installed_is_not_downloaded_again(worker: OllamaWorker, simulator: Simulator) -> None:
    worker.may_pull = True
    await worker.execute_task(asking("phi4"))
    await worker.execute_task(asking("phi4:latest"))
    await worker.execute_task(asking("llama3.2"))
    assert [seen.body["model"] for seen in simulator.seen if seen.path == "/api/pull"] == ["phi4"]


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"models": ("llama3.2",), "pullable": ("other",)}, NotFound),
        ({"models": ("llama3.2",), "errors": (500,)}, TaskFailed),
    ],
)
async def test_a_download_that_fails_costs_nothing_and_leaves_the_task_to_others(
    worker: OllamaWorker, simulator: Simulator, settings: dict[str, Any], error: type[VeraError]
) -> None:
    worker.may_pull = True
    simulator.configure(SimulatorSettings(**settings))
    channel = Channel()
    with pytest.raises(error) as caught:
        await worker.attempt(asking("phi4"), channel)
    assert caught.value.elsewhere
    assert channel.spent == NOT_SENT
    assert all(seen.path != "/api/chat" for seen in simulator.seen)


async def test_too_long_a_prompt_is_told_apart(worker: OllamaWorker, simulator: Simulator) -> None:
    simulator.configure(SimulatorSettings(context_length=3))
    with pytest.raises(ContextTooLong):
        await worker.execute_task(asking(None))


async def test_what_is_in_memory_is_seen_at_the_next_health_check(worker: OllamaWorker) -> None:
    assert worker.to_dict()["loaded_models"] == []
    await worker.execute_task(Task(type=TaskType.OLLAMA_REQUEST, payload={"prompt": "hi"}, timeout_seconds=20))
    assert await worker.health_check()
    (loaded,) = worker.loaded
    assert (loaded.name, loaded.size, loaded.size_vram) == ("llama3.2:latest", 1_000_000, 0)
    assert loaded.expires_at is not None
    assert timedelta(minutes=4) < loaded.expires_at - utcnow() <= timedelta(minutes=5)
    (shown,) = worker.to_dict()["loaded_models"]
    assert shown == {
        "name": loaded.name,
        "size": 1_000_000,
        "size_vram": 0,
        "expires_at": loaded.expires_at.isoformat(),
    }


@pytest.mark.parametrize("status", [404, 500])
async def test_a_look_alike_that_does_not_tell_what_is_in_memory_is_well(
    simulated_provider: Server, status: int
) -> None:
    simulated_provider.routes["/api/tags"] = lambda handler, _: handler.answer_json({"models": []})
    simulated_provider.routes["/api/ps"] = lambda handler, _: handler.answer(status)
    worker = OllamaWorker(simulated_provider.url)
    assert await worker.start(), worker.status_reason
    assert worker.to_dict()["loaded_models"] == []
    await worker.stop()


def test_each_host_of_the_settings_is_a_worker_and_none_is_two(tmp_path: Path) -> None:
    config = OrchestratorConfig(
        home=tmp_path,
        ollama_url="http://one:11434/",
        ollama_hosts=["http://two:11434", "http://one:11434"],
        default_ollama_model="llama3.2",
        ollama_pull=True,
    )
    workers = ollama_workers(config)
    assert [worker.worker_id for worker in workers] == ["ollama-one:11434", "ollama-two:11434"]
    assert {(worker.default_model, worker.may_pull) for worker in workers} == {("llama3.2", True)}


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("llama3.2", "llama3.2:latest", True),
        ("llama3.2:1b", "llama3.2", False),
        ("host:5000/me/phi", "host:5000/me/phi:latest", True),
        ("host:5000/me/phi:4", "host:5000/me/phi:latest", False),
    ],
)
def test_a_name_without_a_tag_means_the_latest(one: str, other: str, same: bool) -> None:
    assert same_model(one, other) is same


Steps = st.lists(
    st.tuples(
        st.sampled_from([None, "a", "b", "c"]),
        st.none() | st.integers(min_value=-5, max_value=2_000),
        st.none() | st.integers(min_value=-5, max_value=1_000),
    )
)


@given(Steps)
def test_whatever_a_server_says_progress_never_goes_back_or_beyond_the_whole(
    steps: list[tuple[str | None, int | None, int | None]],
) -> None:
    progress = PullProgress()
    told = [progress.add(*step) for step in steps]
    assert told == sorted(told)
    assert all(0 <= fraction <= 1 for fraction in told)


def test_progress_counts_all_layers() -> None:
    progress = PullProgress()
    assert [progress.add("a", done, 60) for done in (0, 30, 60)] == [0, 0.5, 1]
    late = PullProgress()
    late.add("a", 30, 60)
    late.add("b", 0, 40)
    assert late.add("b", 40, 40) == 0.7
