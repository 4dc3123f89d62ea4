"""Connections that get no answer are cut, others are left alone."""

from __future__ import annotations

import socket
import threading
from collections.abc import Generator

import pytest

from vera_orchestrator.journal.watchdog import Watchdog

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Generator[Pair]:
    """Give the two ends of a connection."""
    near, far = socket.socketpair()
    near.settimeout(10)
    yield near, far
    near.close()
    far.close()


def read(near: socket.socket) -> bytes:
    """Read as a driver does, for which the end of the connection is an error."""
    found = near.recv(1)
    if not found:
        raise ConnectionError("closed")
    return found


def test_who_waits_for_too_long_is_told_so(pair: Pair) -> None:
    near, _ = pair

    with pytest.raises(TimeoutError, match=r"not answered for 0\.1 s") as caught, Watchdog(0.1).watch(near.fileno()):
        read(near)

    assert isinstance(caught.value.__cause__, ConnectionError)


def test_who_is_answered_in_time_is_left_alone(pair: Pair) -> None:
    near, far = pair
    watchdog = Watchdog(0.1)
    with watchdog.watch(near.fileno()):
        far.send(b"a")
        assert read(near) == b"a"

    other, _silent = socket.socketpair()
    with other, _silent, pytest.raises(TimeoutError), watchdog.watch(other.fileno()):
        read(other)  # by now the first would have been cut, too

    far.send(b"b")
    assert read(near) == b"b"


def test_who_is_answered_again_and_again_may_take_longer(pair: Pair) -> None:
    near, far = pair
    with Watchdog(1.2).watch(near.fileno()) as touch:
        for _ in range(3):  # about half a second each
            silent, _far = socket.socketpair()
            with silent, _far, pytest.raises(TimeoutError), Watchdog(0.1).watch(silent.fileno()):
                read(silent)
            touch()
        far.send(b"a")
        assert read(near) == b"a"


def test_an_error_in_time_is_passed_on_as_it_is(pair: Pair) -> None:
    near, far = pair
    far.close()

    with pytest.raises(ConnectionError), Watchdog(10.0).watch(near.fileno()):
        read(near)


def test_its_thread_ends_when_there_is_nothing_to_watch(pair: Pair) -> None:
    near, far = pair
    before = set(threading.enumerate())
    with Watchdog(0.1).watch(near.fileno()):
        (thread,) = set(threading.enumerate()) - before
        far.send(b"a")
        read(near)

    thread.join(10)

    assert not thread.is_alive()
