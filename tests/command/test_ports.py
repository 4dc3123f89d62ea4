"""The socket that the server listens on."""

from __future__ import annotations

import os
import sys

import pytest

from api.command.exits import CommandFailed, Exit
from api.command.ports import address_of, holder_of, is_taken, listen

needs_proc = pytest.mark.skipif(sys.platform != "linux", reason="who has a port is read from /proc")


def test_a_free_port_is_found_and_listened_on() -> None:
    with listen("127.0.0.1", 0) as listening:
        port = listening.getsockname()[1]
        assert address_of(listening) == f"http://127.0.0.1:{port}"
        assert is_taken(port)
    assert not is_taken(port)


def test_all_addresses_are_shown_as_one_that_can_be_opened() -> None:
    with listen("0.0.0.0", 0) as listening:
        assert address_of(listening) == f"http://127.0.0.1:{listening.getsockname()[1]}"


@needs_proc
def test_who_has_a_port_is_named() -> None:
    with listen("127.0.0.1", 0) as listening:
        port = listening.getsockname()[1]
        assert (holder_of(port) or "").endswith(f"(pid {os.getpid()})")
        with pytest.raises(CommandFailed, match=rf"Port {port} is taken by .*pid {os.getpid()}.*--port") as refusal:
            listen("127.0.0.1", port)
        assert refusal.value.exit_code is Exit.REFUSED
    assert holder_of(port) is None


@pytest.mark.parametrize("host", ["no such host.invalid", "203.0.113.1"])
def test_an_address_that_is_not_ours_is_wrong_use(host: str) -> None:
    with pytest.raises(CommandFailed) as refusal:
        listen(host, 0)
    assert refusal.value.exit_code is Exit.USAGE
