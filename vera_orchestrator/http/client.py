"""The HTTP client for targets that a task names.

The rules hold where the connection is made: the backend resolves the name, checks every address, and connects to one of
those very addresses, so that a name cannot mean one address when it is checked and another when it is used. The URL's
host stays what TLS verifies and what the Host header says. A redirect opens its own connection and is checked the same.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import cache
from http.cookiejar import DefaultCookiePolicy
from typing import Any, cast

import httpcore
import httpx

from vera_orchestrator.errors import NotAllowed
from vera_orchestrator.http.addresses import Endpoint, check_address, endpoints
from vera_orchestrator.settings import OrchestratorConfig

Resolver = Callable[[str, int], Awaitable[Sequence[str]]]

TIMEOUT_SECONDS = 30
MAX_REDIRECTS = 10


async def resolve(host: str, port: int) -> Sequence[str]:
    """Return the addresses of a host, in the system's order of preference; raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """Opens connections to public addresses and to `allowed` endpoints, and to nothing else."""

    def __init__(
        self,
        allowed: frozenset[Endpoint],
        resolver: Resolver = resolve,
        inner: httpcore.AsyncNetworkBackend | None = None,
    ) -> None:
        self._allowed = allowed
        self._resolver = resolver
        # where anyio is not installed httpcore has a stand-in class of another type
        self._inner = inner or cast("httpcore.AsyncNetworkBackend", httpcore.AnyIOBackend())

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  (httpcore's interface)
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first address that answers; raises NotAllowed if any address is forbidden."""
        clock = asyncio.get_running_loop().time
        deadline = None if timeout is None else clock() + timeout
        if not 0 < port < 65_536:
            raise httpcore.UnsupportedProtocol(f"{port} is not a port.")
        addresses = await self._addresses(host, port, timeout)
        for address in addresses:
            check_address(host, port, address, self._allowed)
        options = None if socket_options is None else list(socket_options)
        failure: httpcore.ConnectError | httpcore.ConnectTimeout = httpcore.ConnectError(f"{host} has no address.")
        for position, address in enumerate(addresses):
            # an address that does not answer must leave time for the next
            share = None if deadline is None else max(0.0, deadline - clock()) / (len(addresses) - position)
            try:
                return await self._inner.connect_tcp(address, port, share, local_address, options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109  (httpcore's interface)
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Refuse: a socket of this machine is never a task's target."""
        del timeout, socket_options
        raise NotAllowed(f"{path} is a socket of this machine.", remedy="Call an http or https address.")

    async def sleep(self, seconds: float) -> None:
        """Wait between two attempts to connect."""
        await self._inner.sleep(seconds)

    async def _addresses(self, host: str, port: int, seconds: float | None) -> Sequence[str]:
        try:
            async with asyncio.timeout(seconds):
                return await self._resolver(host, port)
        except TimeoutError:
            raise httpcore.ConnectTimeout(f"The name {host} was not resolved in {seconds} s.") from None
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(f"The name {host} cannot be resolved: {error}.") from error


class GuardedTransport(httpx.AsyncHTTPTransport):
    """httpx's own transport on a pool whose connections come from a GuardedBackend."""

    def __init__(self, backend: GuardedBackend, *, limits: httpx.Limits, context: ssl.SSLContext) -> None:
        super().__init__(verify=context, trust_env=False, limits=limits)
        # httpx has no argument for the backend. Reading `_pool` first makes this fail, and not pass unguarded, should
        # httpx ever name it otherwise.
        if type(self._pool) is not httpcore.AsyncConnectionPool:
            raise TypeError("httpx has another pool than expected.")
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=context,
            max_connections=limits.max_connections,
            max_keepalive_connections=limits.max_keepalive_connections,
            keepalive_expiry=limits.keepalive_expiry,
            network_backend=backend,
        )


@cache
def _trust() -> ssl.SSLContext:
    """Reading the certificates takes longer than anything else that a client needs: once for all of a process."""
    return httpx.create_ssl_context()


def guarded_client(
    settings: OrchestratorConfig,
    *,
    resolver: Resolver = resolve,
    ssl_context: ssl.SSLContext | None = None,
    limits: httpx.Limits | None = None,
    **options: Any,
) -> httpx.AsyncClient:
    """Return a client that keeps the address rules; `options` are those of httpx.AsyncClient.

    It ignores proxies and passwords in the environment and keeps no cookies, as its callers have nothing in common. A
    request to a forbidden address raises NotAllowed; httpx's own errors pass through. Raises InvalidValue for a bad
    entry in `http_allow`.
    """
    transport = GuardedTransport(
        GuardedBackend(endpoints(settings.http_allow), resolver),
        limits=limits or httpx.Limits(max_connections=100, max_keepalive_connections=20, keepalive_expiry=5),
        context=ssl_context or _trust(),
    )
    options = {"timeout": TIMEOUT_SECONDS, "follow_redirects": True, "max_redirects": MAX_REDIRECTS, **options}
    client = httpx.AsyncClient(transport=transport, mounts=None, proxy=None, trust_env=False, **options)
    client.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    return client
