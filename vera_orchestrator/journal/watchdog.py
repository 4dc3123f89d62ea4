"""Cuts connections that have been without an answer for too long: a driver waits for ever where no limit can be set."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

LOOK_SECONDS = 0.5


class Watchdog:
    """Watches sockets from a thread of its own, which lives while there is something to watch."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._deadlines: dict[object, tuple[float, int]] = {}
        self._thread: threading.Thread | None = None

    @contextmanager
    def watch(self, descriptor: int) -> Generator[Callable[[], None]]:
        """Shut the socket of a file descriptor down if this is not left within the seconds.

        They begin anew with each call of what is yielded. What fails after the cut raises TimeoutError.
        """
        ticket = object()

        def touch() -> None:
            with self._lock:
                if ticket in self._deadlines:
                    self._deadlines[ticket] = (time.monotonic() + self._seconds, descriptor)

        with self._lock:
            self._deadlines[ticket] = (time.monotonic() + self._seconds, descriptor)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="journal-watchdog", daemon=True)
                self._thread.start()
        try:
            yield touch
        except Exception as error:
            if self._forget(ticket):
                raise TimeoutError(f"The database has not answered for {self._seconds:g} s.") from error
            raise
        finally:
            self._forget(ticket)

    def _forget(self, ticket: object) -> bool:
        """Watch no more; return whether it was cut."""
        with self._lock:
            return self._deadlines.pop(ticket, None) is None

    def _run(self) -> None:
        never = threading.Event()
        idle = 0
        while True:
            never.wait(LOOK_SECONDS)
            with self._lock:
                idle = 0 if self._deadlines else idle + 1
                if idle > self._seconds / LOOK_SECONDS:
                    self._thread = None
                    return
                self._cut(time.monotonic())

    def _cut(self, now: float) -> None:
        """Shut down what is late; under the lock, so that a descriptor cannot be another connection's by now."""
        late = [ticket for ticket, (deadline, _) in self._deadlines.items() if deadline < now]
        for ticket in late:
            _, descriptor = self._deadlines.pop(ticket)
            with contextlib.suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as connection:
                connection.shutdown(socket.SHUT_RDWR)
