"""The right to serve a state folder at a port."""

from __future__ import annotations

import os
import socket
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from api.command.exits import CommandFailed, Exit
from api.command.ports import address_of, listen
from api.command.record import ServerFile, ServerRecord, birth_of


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A state folder that no other server has, and a socket that listens."""

    file: ServerFile
    listening: socket.socket

    @property
    def url(self) -> str:
        """The server's address on this machine."""
        return address_of(self.listening)

    @property
    def is_reachable_by_others(self) -> bool:
        """Whether the address is more than loopback."""
        return not ip_address(self.listening.getsockname()[0]).is_loopback

    def record(
        self, *, ready: bool = False, prefect_ui_url: str | None = None, prefect_auth_file: Path | None = None
    ) -> ServerRecord:
        """Write down who serves, and return it."""
        record = ServerRecord(
            pid=os.getpid(),
            born=birth_of(os.getpid()),
            url=self.url,
            ready=ready,
            prefect_ui_url=prefect_ui_url,
            prefect_auth_file=str(prefect_auth_file) if prefect_auth_file else None,
        )
        self.file.write(record)
        return record


@contextmanager
def claimed(home: Path, host: str, port: int) -> Generator[Claim]:
    """Hold a state folder and a port while the block lasts. Raises CommandFailed, saying who has one of them."""
    file = ServerFile(home)
    lock = file.hold()
    if lock is None:
        raise already_served(file)
    try:
        with listen(host, port) as listening:
            claim = Claim(file=file, listening=listening)
            claim.record()
            yield claim
    finally:
        file.remove()
        lock.release()


def already_served(file: ServerFile) -> CommandFailed:
    """Return the refusal to serve a state folder twice."""
    other = file.living()
    where = f": {other.url} (pid {other.pid})" if other else ""
    return CommandFailed(
        Exit.REFUSED,
        f"A server runs on {file.home} already{where}.",
        f"End it with vera down (VERA_HOME={file.home}), or set another VERA_HOME.",
    )
