"""Who may call: pure decisions on one request or WebSocket.

Without a key only callers on this machine that speak for nobody else: the peer is loopback, the Host is a local name,
a browser's Origin is this server itself, and no proxy has passed the request on. Everybody else sends the key.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

from starlette.requests import HTTPConnection

from vera_orchestrator.settings import KeyMode, OrchestratorConfig

LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
FORWARDING_HEADERS = frozenset({"forwarded", "via", "x-real-ip"})
FORWARDING_PREFIX = "x-forwarded"
PAGE_SCHEMES = {"ws": "http", "wss": "https"}


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """Why a caller was turned away, and what would help; `challenge` is the value of WWW-Authenticate."""

    reason: str
    remedy: str
    challenge: str


def refusal(connection: HTTPConnection, config: OrchestratorConfig) -> Refusal | None:
    """Return why the caller may not go on, or None if it may."""
    if config.require_key is KeyMode.AUTO and is_local(connection):
        return None
    key = config.api_key.get_secret_value() if config.api_key is not None else ""
    if not key:
        return Refusal(
            reason="a key is needed, and none is set.",
            remedy="Set VERA_API_KEY on the server and send it as Authorization: Bearer KEY, "
            "or call http://127.0.0.1 from the same machine.",
            challenge="Bearer",
        )
    given = bearer_token(connection)
    if given is None:
        return Refusal(reason="a key is needed.", remedy="Send Authorization: Bearer KEY.", challenge="Bearer")
    if not same_key(given, key.encode()):
        return Refusal(
            reason="the key is not valid.",
            remedy="Send the key that VERA_API_KEY holds on the server.",
            challenge='Bearer error="invalid_token"',
        )
    return None


def is_local(connection: HTTPConnection) -> bool:
    """Return whether the caller is on this machine and speaks for itself."""
    headers = connection.headers
    hosts = headers.getlist("host")
    if connection.client is None or not is_loopback(connection.client.host):
        return False
    if len(hosts) != 1 or host_name(hosts[0]) not in LOCAL_NAMES:
        return False
    if any(name in FORWARDING_HEADERS or name.startswith(FORWARDING_PREFIX) for name in headers):
        return False
    scheme = connection.scope["scheme"]
    own = f"{PAGE_SCHEMES.get(scheme, scheme)}://{hosts[0]}".lower()
    return all(origin.lower() == own for origin in headers.getlist("origin"))


def is_loopback(peer: str) -> bool:
    """Return whether a peer's address is this machine's own; what is no IP address is not."""
    try:
        address = ip_address(peer)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped.is_loopback
    return address.is_loopback


def host_name(host: str) -> str:
    """Return the name in a Host header, in lower case, without a port that is a number."""
    name, colon, port = host.lower().rpartition(":")
    if colon and (port.isdecimal() or not port) and not port.startswith("]"):
        return name
    return host.lower()


def bearer_token(connection: HTTPConnection) -> bytes | None:
    """Return the token of the Authorization header, or None."""
    scheme, _, token = connection.headers.get("authorization", "").partition(" ")
    # header values are bytes that were read as Latin-1
    return token.strip().encode("latin-1") if scheme.lower() == "bearer" and token.strip() else None


def same_key(given: bytes, key: bytes) -> bool:
    """Compare in a time that tells nothing about either."""
    return hmac.compare_digest(hashlib.sha256(given).digest(), hashlib.sha256(key).digest())
