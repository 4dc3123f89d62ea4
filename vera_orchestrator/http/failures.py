"""What each error of httpx means here; no other module translates them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import httpx

from vera_orchestrator.errors import InvalidPayload, TaskFailed, TaskTimeout, VeraError


@dataclass(frozen=True, kw_only=True)
class Failure:
    """The error of ours that an exception becomes.

    `transient` failures may pass by themselves; `unsent` ones happened before anything of the request was sent.
    """

    error: type[VeraError]
    transient: bool = False
    unsent: bool = False


_BROKEN = Failure(error=TaskFailed, transient=True)
_LATE = Failure(error=TaskTimeout, transient=True)
_WRONG = Failure(error=TaskFailed)
_INVALID = Failure(error=InvalidPayload, unsent=True)

FAILURES: Mapping[type[Exception], Failure] = {
    httpx.HTTPError: _WRONG,
    httpx.RequestError: _WRONG,
    httpx.TransportError: _BROKEN,
    httpx.TimeoutException: _LATE,
    httpx.ConnectTimeout: Failure(error=TaskTimeout, transient=True, unsent=True),
    httpx.PoolTimeout: Failure(error=TaskTimeout, transient=True, unsent=True),
    httpx.ReadTimeout: _LATE,
    httpx.WriteTimeout: _LATE,
    httpx.NetworkError: _BROKEN,
    httpx.ConnectError: Failure(error=TaskFailed, transient=True, unsent=True),
    httpx.ReadError: _BROKEN,
    httpx.WriteError: _BROKEN,
    httpx.CloseError: _BROKEN,
    httpx.ProxyError: _BROKEN,
    httpx.ProtocolError: _BROKEN,
    httpx.RemoteProtocolError: _BROKEN,
    httpx.LocalProtocolError: _INVALID,
    httpx.UnsupportedProtocol: _INVALID,
    httpx.InvalidURL: _INVALID,
    httpx.DecodingError: _WRONG,
    httpx.TooManyRedirects: _WRONG,
    httpx.HTTPStatusError: _WRONG,
    httpx.CookieConflict: _WRONG,
    httpx.StreamError: _WRONG,
    httpx.StreamConsumed: _WRONG,
    httpx.StreamClosed: _WRONG,
    httpx.ResponseNotRead: _WRONG,
    httpx.RequestNotRead: _WRONG,
}

CAUGHT = (httpx.HTTPError, httpx.InvalidURL, httpx.CookieConflict, httpx.StreamError)


def failure_of(error: Exception) -> Failure:
    """Return what an error of httpx means; raises KeyError for one that is not httpx's."""
    for kind in type(error).__mro__:
        if kind in FAILURES:
            return FAILURES[kind]
    raise KeyError(type(error).__name__)


def describe(error: Exception) -> str:
    """Return one line on an error; httpx leaves the text of some of them empty."""
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
