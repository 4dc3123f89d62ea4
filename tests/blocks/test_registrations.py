"""Registrations on a real server: they outlive the process, and never wait for Prefect."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import prefect.settings
import pytest
from prefect.settings import temporary_settings

from blocks import OllamaHost, registrations
from blocks.documents import document_name
from tests.blocks.kept import KEY, Shelf, kept_settings, opened, provider
from tests.engine.conftest import RunningServer
from tests.faults.proxy import Proxy
from tests.support import Scripted, settings, soon
from vera_orchestrator.engine import connection
from vera_orchestrator.models import APIQuota
from vera_orchestrator.settings import OrchestratorConfig, PrefectMode
from vera_orchestrator.workers.llm import LLMAPIWorker, OllamaWorker

ID = "Cheap_One"
SOON = 0.05


@pytest.fixture
def config(state: Path) -> OrchestratorConfig:
    return kept_settings(state)


@pytest.fixture
async def shelf(running_server: RunningServer, config: OrchestratorConfig) -> AsyncIterator[Shelf]:
    """The shared server's blocks: none at first, none at the end."""
    shelf = Shelf(running_server.address, config)
    yield shelf
    await shelf.clear()


async def test_what_was_registered_in_one_process_is_a_worker_in_the_next(
    config: OrchestratorConfig, shelf: Shelf, provider_url: str
) -> None:
    quota = APIQuota(requests_per_day=5, cost_limit_per_day=0.25)
    given = provider(provider_url, worker_id=ID, rate_limit_per_minute=7, quota=quota, default_model="m")
    async with opened(config) as (first, _):
        first.put(ID, given)  # and closed at once: the write is waited for
    assert (await shelf.gets(ID)).name == document_name(ID)
    async with opened(config) as (_, registry):
        worker = registry.get_worker(ID)
        assert isinstance(worker, LLMAPIWorker)
        assert (worker.rate_limit_per_minute, worker.quota, worker.default_model) == (7, quota, "m")


async def test_registering_again_writes_over_the_block_whatever_it_is_called(
    config: OrchestratorConfig, shelf: Shelf, provider_url: str
) -> None:
    by_hand = provider(provider_url, default_model="old")
    await shelf.save(by_hand, "by-hand")
    worker_id = by_hand.worker(config).worker_id
    async with opened(config) as (kept, _):
        kept.put(worker_id, provider(provider_url, rate_limit_per_minute=1))
        kept.put(worker_id, provider(provider_url, rate_limit_per_minute=2))
    (stored,) = await shelf.blocks()
    assert stored.name == "by-hand"
    assert stored.block == provider(provider_url, rate_limit_per_minute=2)


async def test_what_was_removed_does_not_come_back(config: OrchestratorConfig, shelf: Shelf, provider_url: str) -> None:
    await shelf.save(provider(provider_url, worker_id=ID), "some-name")
    await shelf.save(provider(provider_url, worker_id="other"), "other")
    async with opened(config) as (kept, registry):
        assert registry.get_worker(ID) is not None
        kept.remove(ID)
        kept.remove("never-registered")
    assert [stored.name for stored in await shelf.blocks()] == ["other"]


async def test_blocks_go_before_settings_and_registrations_of_this_process_before_blocks(
    config: OrchestratorConfig, shelf: Shelf, provider_url: str
) -> None:
    await shelf.save(OllamaHost(url=provider_url, max_concurrent_tasks=9), "gpu")
    await shelf.save(provider(provider_url, worker_id=ID), "cheap")
    of_settings, own = OllamaWorker(provider_url), Scripted(worker_id=ID)
    async with opened(config, of_settings=[of_settings], own=[own]) as (_, registry):
        host = registry.get_worker(of_settings.worker_id)
        assert host is not None and host.config.max_concurrent_tasks == 9
        assert registry.get_worker(ID) is own


async def test_a_block_that_was_changed_or_deleted_is_heeded_at_the_next_start(
    config: OrchestratorConfig, shelf: Shelf, provider_url: str
) -> None:
    for worker_id in ("same", "changed", "gone"):
        await shelf.save(provider(provider_url, worker_id=worker_id), worker_id)
    async with opened(config) as (kept, registry):
        before = {worker_id: registry.get_worker(worker_id) for worker_id in ("same", "changed", "gone")}
        await soon(kept.close())
        await shelf.clear()
        await shelf.save(provider(provider_url, worker_id="same"), "same")
        await shelf.save(provider(provider_url, worker_id="changed", rate_limit_per_minute=3), "changed")
        removed = asyncio.Event()
        registry.on_change(lambda: None if registry.get_worker("gone") else removed.set())
        kept.open()
        await soon(kept.place())
        await soon(removed.wait())
        assert registry.get_worker("same") is before["same"]
        changed = registry.get_worker("changed")
        assert isinstance(changed, LLMAPIWorker)
        assert changed is not before["changed"]
        assert changed.rate_limit_per_minute == 3


async def test_a_block_that_cannot_be_used_stops_no_other_and_its_key_is_not_shown(
    config: OrchestratorConfig, shelf: Shelf, provider_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    await shelf.save(provider(provider_url, kind="cohere"), "unknown-kind")
    await shelf.save(provider(provider_url, worker_id=ID), "sound")
    async with opened(config) as (_, registry):
        assert [worker.worker_id for worker in registry.get_all_workers()] == [ID]
    assert "unknown-kind" in caplog.text
    assert KEY not in caplog.text


async def test_a_key_is_nowhere_in_clear(
    running_server: RunningServer,
    config: OrchestratorConfig,
    shelf: Shelf,
    provider_url: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    async with opened(config) as (kept, _):
        kept.put(ID, provider(provider_url, worker_id=ID))
    assert (await shelf.gets(ID)).name == document_name(ID)
    files = [path for path in running_server.home.rglob("*") if path.is_file()]
    written = [path.read_bytes() for path in files]
    assert any(document_name(ID).encode() in text for text in written), "the block is in none of these files"
    assert [path for path, text in zip(files, written, strict=True) if KEY.encode() in text] == []
    assert caplog.records
    assert KEY not in caplog.text


class TestPrefectAway:
    @pytest.fixture(autouse=True)
    def impatient(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let it be found out sooner that the server is back."""
        monkeypatch.setattr(registrations, "RETRY_SECONDS_AT_MOST", SOON)
        monkeypatch.setattr(registrations, "FIRST_LOAD_SECONDS", SOON)

    @pytest.fixture
    async def line(self, running_server: RunningServer) -> AsyncIterator[Proxy]:
        """The way to the server."""
        async with Proxy(urlsplit(running_server.address.api_url).port or 0) as line:
            yield line

    @pytest.fixture
    def far(self, tmp_path: Path, running_server: RunningServer, line: Proxy) -> Iterator[OrchestratorConfig]:
        """Settings of somebody for whom the server is at the other end of the line."""
        variables = {
            **running_server.address.client_settings,
            "PREFECT_API_URL": f"http://127.0.0.1:{line.port}/api",
        }
        updates = {getattr(prefect.settings, name): value for name, value in variables.items()}
        with temporary_settings(updates=updates):
            yield kept_settings(tmp_path, prefect=PrefectMode.AUTO)

    async def test_what_is_registered_meanwhile_is_written_when_it_is_back(
        self, far: OrchestratorConfig, line: Proxy, shelf: Shelf, provider_url: str
    ) -> None:
        await line.cut()
        async with opened(far) as (kept, _):
            kept.put(ID, provider(provider_url, worker_id=ID))
            await line.mend()
            assert (await shelf.gets(ID)).block == provider(provider_url, worker_id=ID)

    async def test_blocks_become_workers_when_it_is_back(
        self, far: OrchestratorConfig, line: Proxy, shelf: Shelf, provider_url: str
    ) -> None:
        await shelf.save(provider(provider_url, worker_id=ID), "cheap")
        await line.cut()
        async with opened(far) as (_, registry):
            assert registry.get_worker(ID) is None
            known = asyncio.Event()
            registry.on_change(lambda: known.set() if registry.get_worker(ID) else None)
            await line.mend()
            await soon(known.wait())

    async def test_a_server_that_does_not_answer_holds_up_neither_start_nor_end(
        self,
        far: OrchestratorConfig,
        line: Proxy,
        provider_url: str,
        caplog: pytest.LogCaptureFixture,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(connection, "CALL_SECONDS", 1.0)
        monkeypatch.setattr(registrations, "GOODBYE_SECONDS", 2.0)
        line.hang()
        loop = asyncio.get_running_loop()
        began = loop.time()
        async with opened(far) as (kept, registry):
            assert loop.time() - began < registrations.FIRST_LOAD_SECONDS + 1
            kept.put(ID, provider(provider_url, worker_id=ID))
            assert registry.get_all_workers() == []
        assert loop.time() - began < registrations.GOODBYE_SECONDS + 2
        assert ID in caplog.text
        assert KEY not in caplog.text


async def test_without_prefect_nothing_is_begun(tmp_path: Path, provider_url: str) -> None:
    async with opened(settings(tmp_path)) as (kept, _):
        kept.put(ID, provider(provider_url, worker_id=ID))
        assert "vera-blocks" not in {task.get_name() for task in asyncio.all_tasks()}
    assert not (tmp_path / "prefect").exists()
