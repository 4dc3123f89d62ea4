"""The embedded Prefect server, as its users see it: one per state folder, shared by all processes on the machine."""

from __future__ import annotations

import asyncio
import logging
import os
import site
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path

import httpx

import vera_orchestrator
from vera_orchestrator.engine import server_log
from vera_orchestrator.engine.backing import Backing
from vera_orchestrator.engine.credentials import Credentials, load_credentials
from vera_orchestrator.engine.locks import FileLock, hold_shared, is_held
from vera_orchestrator.engine.reach import check
from vera_orchestrator.engine.server_folder import ServerFolder, ServerState
from vera_orchestrator.engine.server_settings import client_settings
from vera_orchestrator.engine.supervisor import READY
from vera_orchestrator.errors import PrefectUnavailable
from vera_orchestrator.settings import OrchestratorConfig

RETRY_SECONDS = 0.1

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class ServerAddress:
    """Where the server is. `auth_string` is a secret; the UI at `ui_url` asks for it."""

    api_url: str
    auth_string: str = field(repr=False)
    ui_url: str

    @property
    def client_settings(self) -> dict[str, str]:
        """The PREFECT_* variables that a client of this server needs."""
        return client_settings(api_url=self.api_url, auth_string=self.auth_string)


class EmbeddedServer:
    """One user's hold on the server of a state folder.

    The server runs while anybody holds it, is restarted when it dies, and ends after its last user has released it or
    has died. `retention_days` and `backing` count for the user that starts it. May be used from several event loops
    and threads.
    """

    def __init__(
        self, home: Path, *, retention_days: int, start_seconds: float, backing: Backing | None = None
    ) -> None:
        self._folder = ServerFolder.of(home)
        self._retention_days = retention_days
        self._start_seconds = start_seconds
        self._backing = backing or Backing()
        self._hold: FileLock | None = None
        self._guard = threading.Lock()

    @classmethod
    def of(cls, settings: OrchestratorConfig) -> EmbeddedServer:
        """Return the server that settings ask for."""
        return cls(
            settings.home,
            retention_days=settings.prefect_retention_days,
            start_seconds=settings.prefect_start_seconds,
            backing=Backing.of(settings),
        )

    async def acquire(self) -> ServerAddress:
        """Hold the server, starting it if it does not run, and return when it answers.

        A further call checks that it still runs and starts it again if not. Raises PrefectUnavailable when the database
        or the Redis server of `backing` cannot be used, or, with the end of the server's log, when it cannot be started
        or does not answer within `start_seconds`; then nothing is held that was not held before.
        """
        if self._hold is not None:
            return await self._reach()
        hold = await hold_shared(self._folder.users_lock)
        try:
            address = await self._reach()
        except BaseException:
            hold.release()
            raise
        self._keep(hold)
        return address

    def release(self) -> None:
        """Let go of the server; a second call does nothing."""
        with self._guard:
            hold, self._hold = self._hold, None
        if hold is not None:
            hold.release()

    def is_running(self) -> bool:
        """Return whether there is a server for this folder, or one is being started."""
        return is_held(self._folder.supervisor_lock)

    def _keep(self, hold: FileLock) -> None:
        with self._guard:
            if self._hold is None:
                self._hold = hold
                return
        hold.release()

    async def _reach(self) -> ServerAddress:
        if self._backing.database_url is not None:
            await check(self._backing, None if self.is_running() else await asyncio.to_thread(self._encryption_key))
        try:
            async with asyncio.timeout(self._start_seconds):
                state, credentials = await asyncio.to_thread(self._ensure_started)
                await self._until_healthy(state)
        except TimeoutError:
            raise self._unavailable(f"The Prefect server did not answer in {self._start_seconds:g} s.") from None
        if self._backing.database_url is not None and state.backing != str(self._backing):
            logger.warning(
                "the Prefect server of %s was started by a process with other settings: it runs on %s, not on %s",
                self._folder.path.parent,
                state.backing,
                self._backing,
            )
        return ServerAddress(api_url=state.api_url, auth_string=credentials.auth_string, ui_url=state.origin)

    def _encryption_key(self) -> str:
        return self._backing.encryption_key or load_credentials(self._folder.path).encryption_key

    def _ensure_started(self) -> tuple[ServerState, Credentials]:
        # Whoever starts a supervisor holds the lock until the state is written.
        starting = FileLock.exclusive(self._folder.start_lock)
        try:
            if not self.is_running():
                self._start()
        finally:
            starting.release()
        if (state := self._folder.read_state()) is None:
            raise self._unavailable("The Prefect server did not start.")
        return state, load_credentials(self._folder.path)

    def _start(self) -> None:
        logger.info("starting the Prefect server (first start takes up to 20 s)")
        self._folder.log.touch(mode=0o600)
        with (
            self._folder.log.open("ab") as log,
            subprocess.Popen(
                [
                    sys.executable,
                    "-P",
                    "-m",
                    "vera_orchestrator.engine.supervisor",
                    str(self._folder.path.parent),
                    str(self._retention_days),
                ],
                env=_with_this_package(dict(os.environ)),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            ) as starter,
        ):
            # By the standard input: whoever lists processes sees no passwords.
            answer, _ = starter.communicate(self._backing.to_json().encode())
        if answer != READY:
            raise self._unavailable("The Prefect server's supervisor did not start.")

    async def _until_healthy(self, state: ServerState) -> None:
        # The supervisor listens before the server is up, so that one request waits as long as the start takes.
        async with httpx.AsyncClient(trust_env=False, verify=False, timeout=None) as client:
            while True:
                try:
                    if (await client.get(f"{state.api_url}/health")).is_success:
                        return
                except httpx.TransportError as error:
                    if not self.is_running():
                        raise self._unavailable("The Prefect server could not be started.") from error
                await asyncio.sleep(RETRY_SECONDS)

    def _unavailable(self, message: str) -> PrefectUnavailable:
        log = self._folder.log
        return PrefectUnavailable(
            f"{message} The end of {log}:\n{server_log.tail(log) or '(empty)'}\n",
            remedy="Mend what the log names, or set VERA_PREFECT=off to go on without Prefect.",
        )


def _with_this_package(environment: dict[str, str]) -> dict[str, str]:
    # In a source tree that is not installed, a child finds the package only if it is told where.
    root = str(Path(vera_orchestrator.__file__).parents[1])
    if root not in (*site.getsitepackages(), site.getusersitepackages()):
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, (root, environment.get("PYTHONPATH"))))
    return environment
