"""What runs, and where: the record that `make services` leaves for the tests and for `make services-stop`."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.services.processes import Process

FOLDER = Path(__file__).parents[2] / ".services"


@dataclass(frozen=True, kw_only=True)
class Record:
    """A service that was started by this package."""

    pid: int
    """Its first process."""
    started: int
    """When that process started, in clock ticks since boot: another one with the same id is not ours."""
    url: str
    """Where it listens, with the password if it has one."""

    @classmethod
    def of(cls, process: Process, url: str) -> Record:
        """Return the record of a process that runs."""
        return cls(pid=process.pid, started=process.started, url=url)

    @property
    def process(self) -> Process:
        """The process, which may have ended."""
        return Process(pid=self.pid, started=self.started)


class State:
    """The state folder: data, logs, and services.json with a record for each service by its name."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self.folder = folder
        self._file = folder / "services.json"

    def records(self) -> dict[str, Record]:
        """Return what was started, whether it still runs or not."""
        try:
            rows: dict[str, dict[str, int | str]] = json.loads(self._file.read_text())
        except FileNotFoundError:
            return {}
        return {name: Record(**row) for name, row in rows.items()}  # pyright: ignore[reportArgumentType]

    def write(self, records: Mapping[str, Record]) -> None:
        """Replace all records at once; the file holds passwords, so only its owner may read it."""
        new = self._file.with_suffix(".new")
        new.unlink(missing_ok=True)
        new.touch(mode=0o600)
        new.write_text(json.dumps({name: asdict(record) for name, record in records.items()}, indent=2) + "\n")
        new.replace(self._file)

    @contextmanager
    def locked(self) -> Generator[None]:
        """Keep other processes from starting and stopping services for the block."""
        self.folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(self.folder / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)
