"""The socket that the server listens on, and who has a port that is taken."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from ipaddress import IPv6Address, ip_address
from pathlib import Path

from api.command.exits import CommandFailed, Exit

BACKLOG = 2_048
LISTENING = "0A"
"""The state LISTEN in the tables of /proc/net."""


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens; port 0 is a free one. Raises CommandFailed, naming who has a port that is taken."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        # asyncio turns Nagle's algorithm off only where the protocol is named
        listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    except OSError as error:
        raise CommandFailed(Exit.USAGE, f"{host} is no address to listen on: {error.strerror}.") from error
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(BACKLOG)  # from here on requests wait instead of being refused
    except OSError as error:
        listening.close()
        raise _refused(host, port, error) from error
    return listening


def address_of(listening: socket.socket) -> str:
    """Return the address under which this machine reaches a socket that listens."""
    host, port = listening.getsockname()[:2]
    place = ip_address(host)
    if place.is_unspecified:
        return f"http://{'[::1]' if isinstance(place, IPv6Address) else '127.0.0.1'}:{port}"
    return f"http://[{host}]:{port}" if isinstance(place, IPv6Address) else f"http://{host}:{port}"


def holder_of(port: int) -> str | None:
    """Return which process listens on a port, as "name (pid 12)"; None where that cannot be found out."""
    wanted = {f"socket:[{inode}]" for inode in _listeners(port)}
    for process in Path("/proc").glob("[0-9]*") if wanted else ():
        try:
            if any(str(link.readlink()) in wanted for link in (process / "fd").iterdir()):
                return f"{_name_of(process)} (pid {process.name})"
        except OSError:  # another account's, or gone meanwhile
            continue
    return None


def is_taken(port: int) -> bool:
    """Return whether somebody listens on a port of loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind(("127.0.0.1", port))
        except OSError as error:
            return error.errno == errno.EADDRINUSE
    return False


def _listeners(port: int) -> Iterator[str]:
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            rows = Path(table).read_text().splitlines()[1:]
        except OSError:
            continue
        for row in rows:
            columns = row.split()
            if columns[3] == LISTENING and int(columns[1].rpartition(":")[2], 16) == port:
                yield columns[9]


def _name_of(process: Path) -> str:
    words = (process / "cmdline").read_bytes().split(b"\0")
    shown = " ".join(word.decode(errors="replace") for word in words if word)
    return shown if len(shown) <= 80 else f"{shown[:77]}..."


def _refused(host: str, port: int, error: OSError) -> CommandFailed:
    if error.errno == errno.EADDRINUSE:
        holder = holder_of(port)
        by = f" by {holder}" if holder else ""
        return CommandFailed(Exit.REFUSED, f"Port {port} is taken{by}.", "End it, or choose another one with --port.")
    if error.errno == errno.EACCES:
        return CommandFailed(Exit.REFUSED, f"Port {port} is not open to this account.", "Choose one above 1023.")
    return CommandFailed(Exit.USAGE, f"{host}:{port} cannot be listened on: {error.strerror}.", "Choose another host.")
