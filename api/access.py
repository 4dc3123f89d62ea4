"""Who calls, decided for each request and WebSocket.

Without a key only callers on this machine that speak for nobody else: the peer is loopback, the Host is a local name,
a browser's Origin is this server itself, and no proxy has passed the request on. Everybody else sends a key.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

from starlette.requests import HTTPConnection

from vera_orchestrator.callers import LOCAL, Caller, Scope
from vera_orchestrator.keys import Keys, looks_like_key
from vera_orchestrator.settings import KeyMode, OrchestratorConfig

LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
FORWARDING_HEADERS = frozenset(
    {"forwarded", "via", "x-real-ip", "x-client-ip", "x-cluster-client-ip", "true-client-ip", "cf-connecting-ip"}
)
FORWARDING_PREFIX = ("x-forwarded", "x-original-", "x-envoy-")
OWN_SITES = frozenset({"same-origin", "none"})
PROTOCOL = "vera.v1"
KEY_PROTOCOL = "vera.key."
PAGE_SCHEMES = {"ws": "http", "wss": "https"}


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """Why a caller was turned away, and what would help; `challenge` is the value of WWW-Authenticate."""

    name: str = "key-needed"
    status: int = 401
    reason: str
    remedy: str
    challenge: str


NO_KEY = Refusal(
    reason="a key is needed.",
    remedy="Send Authorization: Bearer KEY, with a key that `vera keys create` has made or the one in VERA_API_KEY on "
    "the server; or call http://127.0.0.1 from the same machine, unless VERA_REQUIRE_KEY=always.",
    challenge="Bearer",
)
NOT_VALID = Refusal(
    name="key-not-valid",
    reason="the key is not valid.",
    remedy="Send a key that `vera keys list` shows as active, or the one in VERA_API_KEY on the server.",
    challenge='Bearer error="invalid_token"',
)
"""Whatever is wrong with a key, this is the answer."""


async def identify(connection: HTTPConnection, config: OrchestratorConfig, keys: Keys) -> Caller | Refusal:
    """Return who calls, or why nobody may go on as that."""
    given = given_key(connection)
    if given is not None:
        caller = await keys.authenticate(given)
        if caller is not None:
            return caller
    if config.require_key is KeyMode.AUTO and is_local(connection):
        # clients that cannot do without a key send any, which is no key of ours
        return LOCAL if given is None or not looks_like_key(given) else NOT_VALID
    return NO_KEY if given is None else NOT_VALID


def lacking(caller: Caller, needed: Scope | None) -> Refusal | None:
    """Return why a caller may not do what needs a scope, or None if it may."""
    if needed is None or caller.may(needed):
        return None
    return Refusal(
        name="scope-needed",
        status=403,
        reason=f"this key does not have the scope {needed}.",
        remedy=f"Use a key that has it: vera keys create --scope {needed}.",
        challenge=f'Bearer error="insufficient_scope", scope="{needed}"',
    )


def given_key(connection: HTTPConnection) -> bytes | None:
    """Return the key that was sent: as bearer token, or by a page's WebSocket among its subprotocols."""
    token = bearer_token(connection)
    if token is not None or connection.scope["type"] != "websocket":
        return token
    offered: list[str] = connection.scope.get("subprotocols", [])
    return next((name[len(KEY_PROTOCOL) :].encode() for name in offered if name.startswith(KEY_PROTOCOL)), None)


def spoken(connection: HTTPConnection) -> str | None:
    """Return the subprotocol to answer a WebSocket with; never the one that holds its key."""
    return PROTOCOL if PROTOCOL in connection.scope.get("subprotocols", []) else None


def header_bytes(connection: HTTPConnection) -> int:
    """Return how long the headers and the query are."""
    headers: list[tuple[bytes, bytes]] = connection.scope["headers"]
    return len(connection.scope.get("query_string", b"")) + sum(len(name) + len(value) for name, value in headers)


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
    if any(site.lower() not in OWN_SITES for site in headers.getlist("sec-fetch-site")):
        return False  # an image or a link of another site's page, which has no Origin
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
