"""What a service that cannot be started says, and what to do about it."""

from __future__ import annotations

import os
from pathlib import Path


class ServiceFailed(Exception):
    """A service could not be installed, started or stopped; the text says why and names the remedy."""


def missing(what: str, *packages: str) -> ServiceFailed:
    """Return the error for a program that is not installed."""
    return ServiceFailed(f"{what} is not installed: apt-get install --no-install-recommends {' '.join(packages)}")


def tail(log: Path, lines: int = 15) -> str:
    """Return the end of a log, for an error text; nothing if there is no log, or a link in its place."""
    try:
        handle = os.open(log, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return ""
    with os.fdopen(handle, errors="replace") as file:
        return "\n".join(file.read().splitlines()[-lines:])
