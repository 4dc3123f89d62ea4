"""Which addresses a task may call: pure decisions.

A task's target must be a public address. The operator can except single endpoints with `http_allow`, as `host:port`
with the host as it is written in the URL.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

import httpx

from vera_orchestrator.errors import InvalidValue, NotAllowed

Endpoint = tuple[str, int]

DEFAULT_PORTS = {"http": 80, "https": 443}
GLOBAL_UNICAST = IPv6Network("2000::/3")
TEREDO = IPv6Network("2001::/32")
NAT64 = IPv6Network("64:ff9b::/96")


def is_public(address: str) -> bool:
    """Return whether an IP address, in text, belongs to the public Internet.

    Link-local, loopback, private, shared (100.64/10), multicast, reserved and unspecified addresses do not, nor do
    IPv6 addresses that stand for such an IPv4 address: mapped, 6to4 and NAT64. Teredo is never public. What is no IP
    address is not public either.
    """
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, IPv4Address):
        return _is_public_v4(parsed)
    inner = _embedded(parsed)
    if inner is not None:
        return _is_public_v4(inner)
    return parsed in GLOBAL_UNICAST and parsed not in TEREDO and parsed.is_global and not parsed.is_multicast


def _is_public_v4(address: IPv4Address) -> bool:
    # `is_global` alone says yes to multicast, and to reserved ranges in some versions of Python
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_link_local)


def _embedded(address: IPv6Address) -> IPv4Address | None:
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    return IPv4Address(int(address) & 0xFFFFFFFF) if address in NAT64 else None


def endpoint(text: str) -> Endpoint:
    """Return host and port of an entry `host:port`; an IPv6 address stands in brackets.

    Raises InvalidValue for anything else.
    """
    try:
        url = httpx.URL(f"ws://{text}/")
    except httpx.InvalidURL:
        url = httpx.URL()
    host, separator, port = text.rpartition(":")
    is_endpoint = bool(url.host and host and separator) and port.isdecimal() and int(port) < 65_536
    if not is_endpoint or url.path != "/" or url.userinfo:
        raise InvalidValue(
            f"{text!r} is not host:port.", field="http_allow", remedy="Write 127.0.0.1:8080, [::1]:8080 or name:443."
        )
    return normal_host(url.raw_host.decode("ascii")), int(port)


def endpoints(entries: Iterable[str]) -> frozenset[Endpoint]:
    """Return the endpoints that `http_allow` names; raises InvalidValue."""
    return frozenset(endpoint(entry) for entry in entries)


def normal_host(host: str) -> str:
    """Return a host in the form in which hosts are compared: lower case, without the final dot of a full name."""
    return host.lower().rstrip(".")


def check_written_address(url: str, allowed: Collection[Endpoint] = ()) -> None:
    """Raise NotAllowed for a URL whose host is itself an address, or localhost, that a task may not call.

    Any other name passes: where it leads is known once it is looked up, by whoever connects.
    """
    parsed = httpx.URL(url)
    host, port = parsed.host, parsed.port or DEFAULT_PORTS.get(parsed.scheme, 0)
    address = "127.0.0.1" if normal_host(host) == "localhost" else host
    try:
        ip_address(address)
    except ValueError:
        return
    check_address(host, port, address, allowed)


def check_address(host: str, port: int, address: str, allowed: Collection[Endpoint] = ()) -> None:
    """Raise NotAllowed unless a task may connect to `address`, to which `host` was resolved."""
    if (normal_host(host), port) in allowed or is_public(address):
        return
    name = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    where = "is not a public address" if address == host else f"leads to {address}, which is not a public address"
    raise NotAllowed(f"{name} {where}.", remedy=f"Add {name} to http_allow (VERA_HTTP_ALLOW) if tasks may call it.")
