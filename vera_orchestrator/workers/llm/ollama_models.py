"""Models on an Ollama host: what is in its memory, and how far a download is. Pure."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

LATEST = ":latest"

OnPull = Callable[[float, str], Awaitable[None]]
"""Is told how much of a download is done, 0 to 1 and never less than before, and in words what is done now."""


@dataclass(frozen=True, kw_only=True)
class LoadedModel:
    """A model in memory: its size and the part of it on a graphics card in bytes, and when it leaves unless used."""

    name: str
    size: int | None = None
    size_vram: int | None = None
    expires_at: datetime | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the wire form."""
        return {
            "name": self.name,
            "size": self.size,
            "size_vram": self.size_vram,
            "expires_at": self.expires_at.isoformat() if self.expires_at else None,
        }


class PullProgress:
    """How much of a download is done; it comes in layers, and the server names a layer when it comes to it."""

    def __init__(self) -> None:
        self._layers: dict[str, tuple[int, int]] = {}
        self.fraction = 0.0

    def add(self, digest: str | None, completed: int | None, total: int | None) -> float:
        """Take in what was said of a layer, in bytes; returns the part that is done of all layers named so far."""
        if digest and total and total > 0:
            self._layers[digest] = (min(completed or 0, total), total)
            done = sum(layer[0] for layer in self._layers.values())
            whole = sum(layer[1] for layer in self._layers.values())
            self.fraction = max(self.fraction, done / whole)  # a layer that is named late must not turn it back
        return self.fraction


def same_model(one: str, other: str) -> bool:
    """Return whether two names mean the same model; a name without a tag means the tag `latest`."""
    return tagged(one) == tagged(other)


def tagged(name: str) -> str:
    """Return a model's name with its tag."""
    return name if ":" in name.rpartition("/")[2] else name + LATEST
