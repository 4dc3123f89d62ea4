"""What a check has found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """All is well; something that can be done without is not there; something is wrong that must be mended."""

    OK = "ok"
    MISSING = "missing"
    BROKEN = "broken"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One line: the thing, how it stands, in words, and what to do, which only what is well may lack."""

    name: str
    state: State
    words: str
    remedy: str | None = None


def fine(name: str, words: str) -> Finding:
    """Return that something is well."""
    return Finding(name=name, state=State.OK, words=words)


def missing(name: str, words: str, remedy: str) -> Finding:
    """Return that something is not there, and how to get it."""
    return Finding(name=name, state=State.MISSING, words=words, remedy=remedy)


def broken(name: str, words: str, remedy: str) -> Finding:
    """Return that something is wrong, and how to mend it."""
    return Finding(name=name, state=State.BROKEN, words=words, remedy=remedy)
