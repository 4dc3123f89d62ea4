"""The file in the state folder that says which server runs there."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from vera_orchestrator.engine.locks import FileLock, is_held


@dataclass(frozen=True, kw_only=True)
class ServerRecord:
    """A server of a state folder.

    `born` is the kernel's mark of when the process began, so that another one with its number is not taken for it.
    `prefect_auth_file` holds what Prefect's UI asks for; the secret itself is not repeated here.
    """

    pid: int
    born: str
    url: str
    ready: bool = False
    log: str | None = None
    prefect_ui_url: str | None = None
    prefect_auth_file: str | None = None


@dataclass(frozen=True)
class ServerFile:
    """Where the record of a state folder is. Whoever serves holds `lock`, which the kernel drops when it dies."""

    home: Path

    @property
    def path(self) -> Path:
        """The record."""
        return self.home / "server.json"

    @property
    def lock(self) -> Path:
        """See the class."""
        return self.home / "server.lock"

    @property
    def log(self) -> Path:
        """What a server writes that has no terminal."""
        return self.home / "server.log"

    def hold(self) -> FileLock | None:
        """Become the server of this folder; None if there is one."""
        self.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = FileLock.try_exclusive(self.lock)
        if lock is not None:
            self.remove()
        return lock

    def write(self, record: ServerRecord) -> None:
        """Replace the record; only this account can read it."""
        draft = self.path.with_name(f".{self.path.name}.{secrets.token_hex(8)}")
        draft.touch(mode=0o600)
        draft.write_text(json.dumps(asdict(record)), encoding="utf-8")
        draft.replace(self.path)

    def remove(self) -> None:
        """Remove the record."""
        self.path.unlink(missing_ok=True)

    def living(self) -> ServerRecord | None:
        """Return the record of the server that runs now, if one does and it is ours."""
        try:
            record = ServerRecord(**json.loads(self.path.read_text(encoding="utf-8")))
            held = is_held(self.lock)
        except (OSError, ValueError, TypeError):
            return None
        return record if held and record.born == birth_of(record.pid) else None


def birth_of(pid: int) -> str:
    """Return the kernel's mark of when a process began; "" for one that is gone, "?" where no kernel says so."""
    if not Path("/proc/self/stat").exists():
        try:
            os.kill(pid, 0)
        except OSError:
            return ""
        return "?"
    try:
        # what stands before the last parenthesis is the program's name, in which there may be anything
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        return "" if fields[0] == "Z" else fields[19]
    except (OSError, IndexError):
        return ""
