"""The provider: what it has counted itself, and a door where requests wait until the test lets them on."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Sequence

from tests.support import PATIENCE
from vera_orchestrator.money import to_nanos
from vera_orchestrator.pricing import ModelPrice
from vera_orchestrator.reservation import Amounts
from vera_orchestrator.simulator.running import Running
from vera_orchestrator.simulator.settings import SimulatorSettings
from vera_orchestrator.simulator.simulator import Seen

CHAT = "/v1/chat/completions"


class Door:
    """The simulator's sleep: requests have been counted, and wait here as long as it is closed."""

    def __init__(self) -> None:
        self.arrivals: queue.Queue[None] = queue.Queue()
        self._lock = threading.Lock()
        self._opened = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def __call__(self, seconds: float) -> None:
        """Wait until it is open, however long."""
        del seconds
        with self._lock:
            self._loop = asyncio.get_running_loop()
            opened = self._opened
        self.arrivals.put(None)
        await opened.wait()

    def close(self) -> None:
        """Let those who come from now on wait."""
        with self._lock:
            self._opened = asyncio.Event()
            self.arrivals = queue.Queue()

    def open(self) -> None:
        """Let all go on, now and from now on."""
        with self._lock:
            if self._loop is None:  # nobody has come yet
                self._opened.set()
            else:
                self._loop.call_soon_threadsafe(self._opened.set)


class Provider:
    """A simulator as the test sees it."""

    def __init__(self, running: Running, door: Door) -> None:
        self._simulator = running.simulator
        self._door = door
        self.url = f"{running.url}/v1"

    def reset(self) -> None:
        """Forget everything, and close the door."""
        self._simulator.configure(SimulatorSettings(latency=1))
        self._simulator.forget()
        self._door.close()

    def arrive(self, number: int) -> None:
        """Wait until so many more requests are at the door."""
        for _ in range(number):
            self._door.arrivals.get(timeout=PATIENCE)

    def open(self) -> None:
        """Let requests be answered."""
        self._door.open()

    def calls(self) -> Sequence[Seen]:
        """Return the requests that cost something, in order of their arrival."""
        return [seen for seen in self._simulator.seen if seen.path == CHAT]

    def counted(self, price: ModelPrice) -> Amounts:
        """Return what all requests have used, also those that nobody waited for any more."""
        used = [seen.usage for seen in self.calls() if seen.usage is not None]
        read, written = sum(usage.all_input for usage in used), sum(usage.all_output for usage in used)
        cost = (price.input * read + price.output * written) / 1_000_000
        return Amounts(requests=len(self.calls()), tokens=read + written, cost=to_nanos(cost))
