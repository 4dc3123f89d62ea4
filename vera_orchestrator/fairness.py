"""Whose turn it is: callers take turns in a ring, which a new one joins at its end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


def alike(_: str | None) -> float:
    """Return the weight of everybody where nobody counts more."""
    return 1.0


@dataclass(slots=True, eq=False)
class Caller:
    """One caller: the lower its `turn`, the sooner it goes; no two are alike.

    `uses` counts who holds it, `left` how often it may still be served at this turn.
    """

    key: str | None
    turn: int
    uses: int = 0
    left: float = 0.0


class Callers:
    """Turns by fairness key; `weight_of` a key, at least 1, is how often it is served at a turn, on average.

    The turn of a caller is the moment, in a count of services and arrivals, at which it was last served or, until then,
    came. So nobody who comes later goes before one who waits, and a caller with something waiting gets its turn after
    each of the others has had one at most. A caller is forgotten when it has nothing waiting, and is new when it comes
    back.
    """

    def __init__(self, weight_of: Callable[[str | None], float] = alike) -> None:
        self._weight_of = weight_of
        self._in_use: dict[str | None, Caller] = {}
        self._turns = 0

    def __len__(self) -> int:
        return len(self._in_use)

    def hold(self, key: str | None) -> Caller:
        """Return a caller and keep it until it is let go as often as it was held."""
        caller = self._in_use.get(key)
        if caller is None:
            caller = self._in_use[key] = Caller(key, self._next())
        caller.uses += 1
        return caller

    def let_go(self, caller: Caller) -> None:
        """End one use of a caller."""
        caller.uses -= 1
        if not caller.uses:
            del self._in_use[caller.key]

    def serve(self, caller: Caller) -> None:
        """Note that a caller was served; its turn is over when its weight is used up."""
        if caller.left < 1:
            caller.left += max(1.0, self._weight_of(caller.key))
        caller.left -= 1
        if caller.left < 1:
            caller.turn = self._next()

    def _next(self) -> int:
        self._turns += 1
        return self._turns
