"""The log of the embedded server: bounded, and read from its end."""

from __future__ import annotations

import os
import threading
from pathlib import Path

MAX_BYTES = 10_000_000
TAIL_BYTES = 8_192


class ServerLog:
    """Appends to a file that is moved to `<name>.1` when it reaches `max_bytes`; may be used by several threads."""

    def __init__(self, path: Path, *, max_bytes: int = MAX_BYTES) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._descriptor = _append_to(path)
        self._size = os.fstat(self._descriptor).st_size

    def write(self, data: bytes) -> None:
        """Append bytes as they are."""
        with self._lock:
            if self._size + len(data) > self._max_bytes:
                self._rotate()
            os.write(self._descriptor, data)
            self._size += len(data)

    def note(self, text: str) -> None:
        """Append a line of the supervisor's own."""
        self.write(f"supervisor {os.getpid()}: {text}\n".encode())

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)

    def _rotate(self) -> None:
        os.close(self._descriptor)
        self._path.replace(self._path.with_name(f"{self._path.name}.1"))
        self._descriptor = _append_to(self._path)
        self._size = 0


def tail(path: Path, *, lines: int = 20) -> str:
    """Return the last lines of a log; empty if there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - TAIL_BYTES))
            text = file.read().decode(errors="replace")
    except FileNotFoundError:
        return ""
    return "\n".join(text.splitlines()[-lines:])


def _append_to(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
