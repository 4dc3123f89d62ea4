"""A server in a thread of the tests' own process, and the command that asks it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest

from api.app import create_app
from api.command import main
from api.command.ports import address_of, listen
from api.command.serving import Server
from BackgroundCognition.orchestrator import UnifiedOrchestrator
from tests.api.support import EchoWorker, echoing
from tests.support import PATIENCE

Result = TypeVar("Result")
Ask = Callable[..., "Answer"]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """How a command ended, and what it wrote."""

    code: int
    out: str
    err: str


@dataclass(frozen=True, kw_only=True)
class Served:
    """An orchestrator that is served, whose worker can be held back."""

    url: str
    orchestrator: UnifiedOrchestrator
    loop: asyncio.AbstractEventLoop

    def do(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Return what a coroutine does in the server's own loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(PATIENCE)

    @contextmanager
    def held(self) -> Generator[None]:
        """Let tasks that say `wait` wait while the block lasts."""
        worker = self.orchestrator.worker_registry.require("echo")
        assert isinstance(worker, EchoWorker)
        self.loop.call_soon_threadsafe(worker.gate.clear)
        yield
        self.loop.call_soon_threadsafe(worker.gate.set)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One server for all tests of a file, without Prefect, Docker and Ollama."""
    orchestrator = echoing(tmp_path_factory.mktemp("command"), docker_pool_size=0)
    with listen("127.0.0.1", 0) as listening:

        async def serve() -> None:
            server = Server(create_app(orchestrator))
            running = asyncio.create_task(server.serve([listening]))
            await server.is_up.wait()
            here.append((server, asyncio.get_running_loop()))
            up.set()
            await running

        here: list[tuple[Server, asyncio.AbstractEventLoop]] = []
        up = threading.Event()
        thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
        thread.start()
        assert up.wait(PATIENCE)
        [(server, loop)] = here
        yield Served(url=address_of(listening), orchestrator=orchestrator, loop=loop)
        server.should_exit = True
        thread.join(PATIENCE)


@pytest.fixture
def ask(served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ask:
    """Runs a command line against the server."""
    monkeypatch.setenv("VERA_HOME", str(tmp_path))
    monkeypatch.setenv("VERA_URL", served.url)
    monkeypatch.setenv("COLUMNS", "160")

    def run(*arguments: str) -> Answer:
        code = main(arguments)
        captured = capsys.readouterr()
        return Answer(code=code, out=captured.out, err=captured.err)

    return run
