"""What a provider's refusal means for a task: pure, and the same for all providers."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
import httpx2
from pydantic import ValidationError

from vera_orchestrator.errors import (
    ContextTooLong,
    InvalidPayload,
    NotConfigured,
    NotFound,
    TaskFailed,
    TaskTimeout,
    VeraError,
    WorkerUnavailable,
)
from vera_orchestrator.http.verdict import retry_after
from vera_orchestrator.metering import NOT_SENT, REFUSED, Spent
from vera_orchestrator.models import utcnow
from vera_orchestrator.secrets import redact

if TYPE_CHECKING:
    from vera_orchestrator.workers.llm.base import Adapter

EXCERPT = 300
# the client libraries differ in their HTTP library (httpx, httpx2), which keep the names of the exceptions
NEVER_SENT = frozenset({"ConnectError", "ConnectTimeout"})
CONFLICTS = frozenset({408, 409, 425, 429, 499})
# a server that is full has done nothing; one that answers 408, 500 or 504 may have
FULL = frozenset({429, 503, 529})

Clean = Callable[[str], str]


def cleaner(key: str) -> Clean:
    """Return a function that makes a provider's text one short line without the key."""
    return lambda text: " ".join(redact(text, [key]).split())[:EXCERPT]


def of_status(
    api_type: str, status: int, text: str, headers: Mapping[str, str], *, too_long: bool = False
) -> VeraError:
    """Return the error for an HTTP status, with whether the provider did nothing; `text` must be clean.

    `too_long` says that a refusal is about the length of the input.
    """
    error = _of_status(api_type, status, text, headers, too_long=too_long)
    error.was_refused = status in FULL or (300 <= status < 500 and status not in CONFLICTS)
    return error


def spent_of(error: VeraError) -> Spent | None:
    """Return what a request has used that ended with an error of an adapter; None where nobody knows."""
    match error:
        case VeraError(was_refused=True) | NotConfigured() | NotFound():
            return REFUSED
        case WorkerUnavailable() | InvalidPayload():  # the client itself found the payload wanting
            return NOT_SENT
        case _:
            return None


def _of_status(api_type: str, status: int, text: str, headers: Mapping[str, str], *, too_long: bool) -> VeraError:
    said = f"{api_type} answered {status}: {text}"
    match status:
        case 401:  # the text is left out: providers repeat parts of the key in it
            return NotConfigured(f"{api_type} refused the key (401).", remedy="Register it again with a valid key.")
        case 402:
            return NotConfigured(said, remedy="Check whether the key's account is paid.")
        case 403:  # a model that the key may not use, or a prompt that is not let through
            error = NotConfigured(said, remedy="Check what the key may do.")
            error.of_one_call = True
            return error
        case 404:
            return NotFound(said, field="payload.model", remedy="Check the model's name and base_url.")
        case _ if 300 <= status < 400:  # the key is not for whoever the answer names
            return NotConfigured(
                f"{api_type} answered {status}: a redirect, which is not followed.",
                remedy="Set base_url (of Ollama ollama_url) to an address that does not redirect.",
            )
        case _ if status in CONFLICTS or not 400 <= status < 500:  # a stream that began well has the status 200
            return TaskFailed(said, retry_after=retry_after(httpx.Headers(dict(headers)), utcnow()))
        case _ if too_long:
            return ContextTooLong(said, field="payload", remedy="Send less, or name a model that takes more.")
        case _:
            return InvalidPayload(said, field="payload")


def malformed(api_type: str, detail: str = "") -> TaskFailed:
    """Return the error for an answer that cannot be read."""
    return TaskFailed(f"The answer of {api_type} is not what its protocol says. {detail}".rstrip())


def late(api_type: str) -> TaskTimeout:
    """Return the error for an answer that did not come in time."""
    return TaskTimeout(f"{api_type} did not answer in time.", remedy="Raise the task's timeout_seconds.")


def broken(api_type: str, text: str) -> TaskFailed:
    """Return the error for a connection that broke; `text` must be clean."""
    return TaskFailed(f"The connection to {api_type} broke: {text}")


@dataclass(frozen=True, kw_only=True)
class ClientErrors:
    """The exceptions of a client library, by what they mean; `status` have a status_code, message and response.

    `too_long` are the codes, and the words in lower case, by which servers say that the input is too long.
    """

    root: type[Exception]
    connection: type[Exception]
    late: type[Exception]
    status: type[Any]
    credentials: tuple[type[Exception], ...] = ()
    too_long: frozenset[str] = frozenset()


# what lies below the clients; in a stream it comes through as it is
TRANSPORT = (httpx.HTTPError, httpx2.HTTPError)
LATE = (httpx.TimeoutException, httpx2.TimeoutException)


@contextmanager
def translated(errors: ClientErrors, adapter: Adapter, clean: Clean) -> Generator[None]:
    """Turn a client's exceptions into ours; their own text may hold parts of the key, so they are not chained."""
    try:
        yield
    except VeraError:
        raise
    except errors.root as error:
        raise of_client(errors, error, adapter, clean) from None
    except TRANSPORT as error:
        raise of_transport(error, adapter, clean) from None
    except (ValidationError, ValueError):  # JSON of another shape, or none
        raise malformed(adapter.api_type) from None


def of_transport(error: BaseException | None, adapter: Adapter, clean: Clean) -> VeraError:
    """Return the error for an exception of the HTTP library."""
    if type(error).__name__ in NEVER_SENT:
        return adapter.unreachable()
    if isinstance(error, LATE):
        return late(adapter.api_type)
    return broken(adapter.api_type, clean(repr(error)))


def of_client(errors: ClientErrors, error: Any, adapter: Adapter, clean: Clean) -> VeraError:
    """Return the error for an exception of a client library."""
    api_type = adapter.api_type
    if isinstance(error, errors.connection | errors.late):
        never_sent = type(error.__cause__).__name__ in NEVER_SENT
        if isinstance(error, errors.late) and not never_sent:
            return late(api_type)
        return of_transport(error.__cause__, adapter, clean)
    if isinstance(error, errors.status):
        said, headers = clean(error.message), error.response.headers
        return of_status(api_type, error.status_code, said, headers, too_long=_is_too_long(errors, error))
    if isinstance(error, errors.credentials):
        return NotConfigured(f"{api_type} has no usable key.", remedy="Register the key again.")
    return malformed(api_type, clean(f"{type(error).__name__}: {error}"))


def says(words: frozenset[str], *told: object) -> bool:
    """Return whether one of these words is in what was told, in any case."""
    text = " ".join(str(one) for one in told).lower()
    return any(word in text for word in words)


def _is_too_long(errors: ClientErrors, error: Any) -> bool:
    return says(errors.too_long, error.message, getattr(error, "code", ""), getattr(error, "type", ""))
