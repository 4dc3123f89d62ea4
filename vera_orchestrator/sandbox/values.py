"""What goes into the sandbox and what comes out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path, PurePosixPath

from vera_orchestrator.errors import InvalidValue

WORK_FOLDER = "/tmp"
"""The working folder inside: a file system of the program's own."""
BASE_ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": WORK_FOLDER, "LANG": "C.UTF-8"}
FLOOD_FACTOR = 256
"""A program that has written this many times the output that is kept is killed."""


class Ending(StrEnum):
    """Why a program is no longer running."""

    EXITED = "exited"
    TIMED_OUT = "timed_out"
    OUT_OF_MEMORY = "out_of_memory"
    FLOODED = "flooded"
    STOPPED = "stopped"


@dataclass(frozen=True, kw_only=True)
class SandboxProgram:
    """One program to run and all that it may use.

    `argv` is the command; names in it are looked up inside the sandbox, relative to `folder`. `stdin` is all its input.
    `files` are placed in the working folder (/tmp, of which `scratch_mb` MiB may be filled) under relative names.
    `read_only` and `writable` map folders or files of the host to where they appear inside. `environment` is added to
    PATH, HOME and LANG, the only variables otherwise. `folder` is where it starts. `network` gives it the host's.

    `memory_mb` is MiB for all its processes together, `processes` counts processes and threads, `cpu_seconds` is
    processor time of each process, `output_bytes` is what is kept of stdout and as much of stderr, `timeout` is in
    seconds (None: until cancelled).
    """

    argv: tuple[str, ...]
    stdin: str | bytes = b""
    files: Mapping[str, str | bytes] = field(default_factory=dict[str, str | bytes])
    read_only: Mapping[Path, str] = field(default_factory=dict[Path, str])
    writable: tuple[Path, str] | None = None
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    folder: str = WORK_FOLDER
    network: bool = False
    memory_mb: int = 512
    processes: int = 64
    cpu_seconds: int = 300
    scratch_mb: int = 64
    output_bytes: int = 1_000_000
    timeout: float | None = None

    def __post_init__(self) -> None:
        """Raise InvalidValue for an empty command, text that cannot be encoded, or a name outside the folder."""
        if not self.argv:
            raise InvalidValue("The command is empty.", field="argv")
        for name, content in self.files.items():
            check_file_name(name)
            as_bytes(content, f"files.{name}")
        as_bytes(self.stdin, "stdin")
        if any("\0" in text for text in (*self.argv, *self.environment, *self.environment.values())):
            raise InvalidValue("A NUL character cannot be passed to a program.", field="argv")


@dataclass(frozen=True, kw_only=True)
class SandboxOutcome:
    """How a program ended.

    `exit_code` is 128 + n for a program ended by signal n. Where output was longer than the limit its head and tail are
    kept with a line between them, and `stdout_dropped` and `stderr_dropped` count the bytes that are missing. Bytes
    that are not UTF-8 became U+FFFD. `out_of_memory` is None where nothing tells. `duration` is in seconds.
    """

    exit_code: int
    stdout: str
    stderr: str
    stdout_dropped: int = 0
    stderr_dropped: int = 0
    ending: Ending = Ending.EXITED
    out_of_memory: bool | None = None
    duration: float = 0.0

    @property
    def timed_out(self) -> bool:
        """Whether the program was ended because its time was up."""
        return self.ending is Ending.TIMED_OUT

    @property
    def dropped(self) -> int:
        """The bytes of output that are missing."""
        return self.stdout_dropped + self.stderr_dropped


def as_bytes(content: str | bytes, name: str) -> bytes:
    """Return text as UTF-8; raises InvalidValue, naming the field, for text that has no such form."""
    if isinstance(content, bytes):
        return content
    try:
        return content.encode()
    except UnicodeEncodeError as error:
        raise InvalidValue(f"Character {error.start} is half a surrogate pair.", field=name) from None


def check_file_name(name: str) -> None:
    """Raise InvalidValue unless the name stays inside the working folder."""
    path = PurePosixPath(name)
    if not path.parts or path.is_absolute() or ".." in path.parts or "\0" in name or name.endswith("/"):
        raise InvalidValue(
            f"{name!r} is not a name inside the working folder.",
            field="files",
            remedy="Use a relative path without '..'.",
        )
    as_bytes(name, "files")
