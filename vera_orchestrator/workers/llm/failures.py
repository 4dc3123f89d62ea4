"""What a provider's refusal means for a task: pure, and the same for all providers."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
import httpx2
from pydantic import ValidationError

from vera_orchestrator.errors import InvalidPayload, NotConfigured, NotFound, TaskFailed, TaskTimeout, VeraError
from vera_orchestrator.http.verdict import retry_after
from vera_orchestrator.models import utcnow
from vera_orchestrator.secrets import redact

if TYPE_CHECKING:
    from vera_orchestrator.workers.llm.base import Adapter

EXCERPT = 300
# the client libraries differ in their HTTP library (httpx, httpx2), which keep the names of the exceptions
NEVER_SENT = frozenset({"ConnectError", "ConnectTimeout"})
CONFLICTS = frozenset({408, 409, 425, 429, 499})

Clean = Callable[[str], str]


def cleaner(key: str) -> Clean:
    """Return a function that makes a provider's text one short line without the key."""
    return lambda text: " ".join(redact(text, [key]).split())[:EXCERPT]


def of_status(api_type: str, status: int, text: str, headers: Mapping[str, str]) -> VeraError:
    """Return the error for an HTTP status; `text` must be clean."""
    said = f"{api_type} answered {status}: {text}"
    match status:
        case 401:  # the text is left out: providers repeat parts of the key in it
            return NotConfigured(f"{api_type} refused the key (401).", remedy="Register it again with a valid key.")
        case 402 | 403:
            return NotConfigured(said, remedy="Check what the key may do and whether its account is paid.")
        case 404:
            return NotFound(said, field="payload.model", remedy="Check the model's name and base_url.")
        case _ if status in CONFLICTS or not 400 <= status < 500:  # a stream that began well has the status 200
            return TaskFailed(said, retry_after=retry_after(httpx.Headers(dict(headers)), utcnow()))
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
    """The exceptions of a client library, by what they mean; `status` have a status_code, message and response."""

    root: type[Exception]
    connection: type[Exception]
    late: type[Exception]
    status: type[Any]
    credentials: tuple[type[Exception], ...] = ()


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
        return of_status(api_type, error.status_code, clean(error.message), error.response.headers)
    if isinstance(error, errors.credentials):
        return NotConfigured(f"{api_type} has no usable key.", remedy="Register the key again.")
    return malformed(api_type, clean(f"{type(error).__name__}: {error}"))
