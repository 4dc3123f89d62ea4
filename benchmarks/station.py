"""The asking side of a station: one subject, with its own processes, that can be measured at any time."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from typing import Any

from benchmarks.children import Child


class Station:
    """A driver process that takes commands, and the services that only it uses.

    `services` are the processes whose memory counts for the subject; the driver itself is `driver`.
    """

    def __init__(self, name: str, driver: Child, services: Sequence[Child] = ()) -> None:
        self.name = name
        self.driver = driver
        self.services = tuple(services)

    @property
    def leaders(self) -> list[int]:
        """The sessions of this station."""
        return [self.driver.pid, *(service.pid for service in self.services)]

    def ask(self, command: str, *, timeout: float = 900, **arguments: Any) -> dict[str, Any]:
        """Send a command and return the answer; raises ChildFailed if the driver ends or `timeout` seconds pass."""
        requests, answers = self.driver.pipes
        watchdog = threading.Timer(timeout, self.driver.process.kill)
        watchdog.start()
        try:
            requests.write(json.dumps({"do": command, **arguments}).encode() + b"\n")
            requests.flush()
            line = answers.readline()
        except BrokenPipeError:
            line = b""
        finally:
            watchdog.cancel()
        if not line:
            self.driver.stop(1)
            raise self.driver.failed(f"no answer to {command!r}")
        return json.loads(line)

    def latency(self, count: int, **arguments: Any) -> list[float]:
        """Run `count` no-ops one after the other and return their times in milliseconds."""
        return self.ask("latency", count=count, **arguments)["ms"]

    def batch(self, count: int) -> float:
        """Run `count` independent no-ops at once and return the rate, in tasks per second."""
        return count / self.ask("batch", count=count)["seconds"]

    def close(self) -> None:
        """Let the driver leave in order, then stop what is left."""
        if not self.driver.ended:
            self.ask("quit", timeout=60)
        self.driver.stop()
