"""A Prefect server with the deployments, a worker for them, and a web server for their tasks: all real."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import prefect.settings
from prefect.client.orchestration import PrefectClient, get_client
from prefect.deployments import arun_deployment
from prefect.settings import temporary_settings

from tests.engine.recording import eventually, has_ended, state_name
from tests.http.server import Server
from vera_orchestrator.engine.server import ServerAddress
from vera_orchestrator.journal.base import Journal
from vera_orchestrator.journal.factory import make_journal

ROOT = Path(__file__).parents[2]
RUN_SECONDS = 180
STOP_SECONDS = 60
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Ended:
    """A command that has ended."""

    code: int
    output: str

    @property
    def flow_run_id(self) -> UUID:
        """The flow run that the command created."""
        found = re.search(r"UUID: (\S+)", self.output)
        assert found, self.output
        return UUID(found[1])


class Command:
    """A program that runs in the background."""

    def __init__(
        self, *arguments: str, environment: dict[str, str], folder: Path = ROOT, output: int = subprocess.PIPE
    ) -> None:
        self._ended: Ended | None = None
        self._process = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            env=environment,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def ended(self) -> Ended:
        """Wait for its end."""
        if self._ended is None:
            output, _ = self._process.communicate(timeout=RUN_SECONDS)
            self._ended = Ended(code=self._process.returncode, output=output)
        return self._ended

    def next_line(self) -> str:
        """Wait for the next line of its output."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def stop(self) -> None:
        """End it, and its children with it, if it has not ended."""
        if self._ended is None:
            self._process.terminate()
            try:
                self._process.communicate(timeout=STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.communicate()


@dataclass(frozen=True, kw_only=True)
class Station:
    """Where the deployments run. `applied` and `deployed` are what the two commands for that said."""

    home: Path
    web: Server
    address: ServerAddress
    environment: dict[str, str]
    applied: Ended
    deployed: Ended

    def command(self, *arguments: str) -> Command:
        """Start a module as a program."""
        return Command(*arguments, environment=self.environment)

    def watch(self, deployment: str, **parameters: Any) -> Command:
        """Start `prefect deployment run`; it ends with the flow run, with 1 if that did not complete."""
        given = ["--params", json.dumps(parameters)]
        return self.command("prefect", "deployment", "run", deployment, *given, "--watch", "--watch-interval", "1")

    def start(self, deployment: str, **parameters: Any) -> UUID:
        """Start a flow run of a deployment, without a command, which takes seconds to begin; return its id."""

        async def start(client: PrefectClient) -> UUID:
            run = await arun_deployment(deployment, client, parameters, timeout=0, as_subflow=False)
            return run.id

        return self.ask(start)

    def ended(self, flow_run_id: UUID) -> str:
        """Return the name of a flow run's state once it has ended."""

        async def end(client: PrefectClient) -> str:
            return state_name(
                await eventually(lambda: client.read_flow_run(flow_run_id), has_ended, within=RUN_SECONDS)
            )

        return self.ask(end)

    @contextmanager
    def settings(self) -> Generator[None]:
        """Let Prefect in this process talk to the station's server."""
        updates = {getattr(prefect.settings, name): value for name, value in self.address.client_settings.items()}
        with temporary_settings(updates=updates):
            yield

    def ask(self, question: Callable[[PrefectClient], Coroutine[Any, Any, T]]) -> T:
        """Ask the station's server."""

        async def asked() -> T:
            async with get_client() as client:
                return await question(client)

        with self.settings():
            return asyncio.run(asked())

    def look_up(self, question: Callable[[Journal], Coroutine[Any, Any, T]]) -> T:
        """Ask the journal."""

        async def asked() -> T:
            journal = make_journal(f"sqlite:///{self.home / 'journal.db'}")
            await journal.open()
            try:
                return await question(journal)
            finally:
                await journal.close()

        return asyncio.run(asked())


def environment_of(home: Path, web: Server, address: ServerAddress) -> dict[str, str]:
    """Return the environment of a user whose Prefect settings are those of the embedded server, and no others."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "VERA_"))}
    return {
        **inherited,
        **address.client_settings,
        "PREFECT_HOME": str(home / "user"),
        "PREFECT_WORKER_QUERY_SECONDS": "1",
        "COLUMNS": "200",
        "VERA_HOME": str(home),
        "VERA_HTTP_ALLOW": web.endpoint,
        "VERA_LEASE_SECONDS": "60",  # a dead owner is known by its lock, not by its lease
    }
