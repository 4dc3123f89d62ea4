"""Whose turn it is: who was served longest ago."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

CALLERS_REMEMBERED = 4096


@dataclass(slots=True, eq=False)
class Caller:
    """One caller: `turn` is the number of the last service it got, 0 if none; `uses` counts who holds it."""

    key: str | None
    turn: int = 0
    uses: int = 0


class Callers:
    """Turns by fairness key.

    Callers in use are all known. Of the others the last `remembered` are: a forgotten one starts again as never served,
    which puts it first, where so old a turn would have put it anyway.
    """

    def __init__(self, remembered: int = CALLERS_REMEMBERED) -> None:
        self._remembered = remembered
        self._in_use: dict[str | None, Caller] = {}
        self._idle: OrderedDict[str | None, Caller] = OrderedDict()
        self._served = 0

    def __len__(self) -> int:
        return len(self._in_use) + len(self._idle)

    def hold(self, key: str | None) -> Caller:
        """Return a caller and remember it until it is let go as often as it was held."""
        caller = self._in_use.get(key)
        if caller is None:
            caller = self._in_use[key] = self._idle.pop(key, None) or Caller(key)
        caller.uses += 1
        return caller

    def let_go(self, caller: Caller) -> None:
        """End one use of a caller."""
        caller.uses -= 1
        if caller.uses:
            return
        del self._in_use[caller.key]
        if caller.turn:
            self._idle[caller.key] = caller
            if len(self._idle) > self._remembered:
                self._idle.popitem(last=False)

    def serve(self, caller: Caller) -> None:
        """Note that a caller has had its turn."""
        self._served += 1
        caller.turn = self._served
