"""How a command ends."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Any


class Exit(IntEnum):
    """The exit status: all is well; a task or a check failed; wrong use; no server; a refusal; Ctrl-C."""

    OK = 0
    FAILED = 1
    USAGE = 2
    UNREACHABLE = 3
    REFUSED = 4
    INTERRUPTED = 130


class CommandFailed(Exception):
    """A command that ends with something else than its answer: what is wrong, and what to do about it."""

    def __init__(
        self, exit_code: Exit, message: str, remedy: str | None = None, *, problem: Mapping[str, Any] | None = None
    ) -> None:
        self.exit_code = exit_code
        self.message = message
        self.remedy = remedy
        self.problem = problem
        super().__init__(f"{message} {remedy}" if remedy else message)

    def to_dict(self) -> dict[str, Any]:
        """Return what `--json` shows."""
        return {"error": dict(self.problem or {"detail": self.message, "remedy": self.remedy})}
