"""The command `vera`: the server, its clients, and what an operator needs around them."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit status, see `api.command.exits.Exit`."""
    from api.command.root import run_command

    return run_command(arguments)
