"""The folder of the embedded Prefect server: what is where in it, and where its server can be found."""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from vera_orchestrator.engine.backing import SQLITE

HOST = "127.0.0.1"


@dataclass(frozen=True, kw_only=True, slots=True)
class ServerState:
    """Where the server is, or was: `port` outlives the processes, so that a restart gets the same one.

    `backing` names what it stands on, without accounts.
    """

    port: int
    backing: str = SQLITE
    supervisor_pid: int | None = None
    server_pid: int | None = None

    @property
    def origin(self) -> str:
        """Scheme, host and port, as a browser's Origin header has them."""
        return f"http://{HOST}:{self.port}"

    @property
    def api_url(self) -> str:
        """The address of Prefect's API."""
        return f"{self.origin}/api"


@dataclass(frozen=True, slots=True)
class ServerFolder:
    """Paths in the server's folder.

    `users_lock` is held shared by every user and exclusively by a supervisor that ends; `supervisor_lock` exclusively
    by the living supervisor; `start_lock` exclusively by whoever starts one.
    """

    path: Path

    @classmethod
    def of(cls, home: Path) -> ServerFolder:
        """Return the folder of a state folder, created if it is missing, and closed to other accounts."""
        path = home / "prefect"
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.chmod(0o700)
        return cls(path)

    @property
    def users_lock(self) -> Path:
        """See the class."""
        return self.path / "users.lock"

    @property
    def supervisor_lock(self) -> Path:
        """See the class."""
        return self.path / "supervisor.lock"

    @property
    def start_lock(self) -> Path:
        """See the class."""
        return self.path / "start.lock"

    @property
    def log(self) -> Path:
        """The log of supervisor and server."""
        return self.path / "server.log"

    @property
    def database(self) -> Path:
        """Prefect's SQLite database."""
        return self.path / "prefect.db"

    @property
    def ui(self) -> Path:
        """The UI's files, as the server prepares them."""
        return self.path / "ui"

    @property
    def state(self) -> Path:
        """The file that holds the ServerState."""
        return self.path / "server.json"

    def read_state(self) -> ServerState | None:
        """Return the state last written; None if there is none, or none that can be read."""
        try:
            return ServerState(**json.loads(self.state.read_text(encoding="utf-8")))
        except (FileNotFoundError, ValueError, TypeError):
            return None

    def write_state(self, state: ServerState) -> None:
        """Replace the state; a reader sees the old or the new one, never half of it."""
        draft = self.state.with_name(f".{self.state.name}.{secrets.token_hex(8)}")
        draft.touch(mode=0o600)
        draft.write_text(json.dumps(asdict(state)), encoding="utf-8")
        draft.replace(self.state)
