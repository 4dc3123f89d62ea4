"""Every exception of the clients, and every status, is decided on."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from importlib import import_module
from types import ModuleType

import anthropic
import ollama
import openai
import pytest
from google.genai import errors as gemini_errors

from tests.workers.llm.conftest import KEY
from vera_orchestrator.errors import (
    ContextTooLong,
    InvalidPayload,
    NotConfigured,
    NotFound,
    TaskFailed,
    VeraError,
)
from vera_orchestrator.metering import REFUSED
from vera_orchestrator.workers.llm import anthropic as anthropic_adapter
from vera_orchestrator.workers.llm import openai as openai_adapter
from vera_orchestrator.workers.llm.failures import ClientErrors, cleaner, of_status, spent_of
from vera_orchestrator.workers.llm.gemini import ODD_ANSWERS

# exceptions of parts of the clients that are not used here
UNUSED = {
    "InvalidWebhookSignatureError",
    "WebSocketConnectionClosedError",
    "WebSocketQueueFullError",
    "SubjectTokenProviderError",
    "LengthFinishReasonError",
    "ContentFilterFinishReasonError",
    "APIWebhookValidationError",
    "RetryableError",
    "WorkloadIdentityError",
}
# read as an answer that cannot be understood
ODD_ANSWER = {"APIError", "APIResponseValidationError"}
PLACES = {"openai": "_exceptions", "anthropic": "_exceptions", "ollama": "_types"}
CLIENTS = [(openai, openai_adapter.ERRORS), (anthropic, anthropic_adapter.ERRORS)]


def errors_of(client: ModuleType) -> Iterator[type[Exception]]:
    """The public ones, and those that a client raises without showing them."""
    own = vars(import_module(f"{client.__name__}.{PLACES[client.__name__]}"))
    for item in [*(getattr(client, name) for name in client.__all__), *own.values()]:
        if inspect.isclass(item) and issubclass(item, Exception):
            yield item


@pytest.mark.parametrize(("client", "errors"), CLIENTS)
def test_every_exception_of_a_client_is_decided_on(client: ModuleType, errors: ClientErrors) -> None:
    known = (errors.connection, errors.late, errors.status, *errors.credentials)
    found = set(errors_of(client))
    assert len(found) > 12
    undecided = {one.__name__ for one in found if not issubclass(one, known)} - UNUSED - ODD_ANSWER
    assert undecided == {errors.root.__name__}


def test_every_exception_of_ollamas_client_is_decided_on() -> None:
    assert set(errors_of(ollama)) == {ollama.RequestError, ollama.ResponseError}


def test_every_exception_of_geminis_client_is_decided_on() -> None:
    own = {item for item in vars(gemini_errors).values() if inspect.isclass(item) and issubclass(item, Exception)}
    decided = {one for one in own if issubclass(one, (gemini_errors.APIError, *ODD_ANSWERS))}
    # of long interactions, which are not used here, and no error
    assert {one.__name__ for one in own - decided} == {"ContinuationInterruptedError", "ExperimentalWarning"}


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (200, TaskFailed),  # an error in a stream that began well
        (400, InvalidPayload),
        (401, NotConfigured),
        (307, NotConfigured),
        (402, NotConfigured),
        (403, NotConfigured),
        (404, NotFound),
        (408, TaskFailed),
        (409, TaskFailed),
        (413, InvalidPayload),
        (422, InvalidPayload),
        (429, TaskFailed),
        (500, TaskFailed),
        (503, TaskFailed),
        (529, TaskFailed),
    ],
)
def test_a_status_says_whether_another_attempt_makes_sense(status: int, kind: type[VeraError]) -> None:
    error = of_status("openai", status, "no", {"retry-after": "7"})
    assert type(error) is kind
    assert error.retryable is (kind is TaskFailed)
    assert error.retry_after == (7 if kind is TaskFailed else None)


@pytest.mark.parametrize("status", [302, 307, 400, 401, 402, 403, 404, 413, 422, 429, 503, 529])
def test_a_refusal_means_that_the_provider_did_nothing(status: int) -> None:
    error = of_status("openai", status, "no", {})
    assert error.was_refused
    assert spent_of(error) == REFUSED


@pytest.mark.parametrize("status", [200, 408, 409, 500, 502, 504])
def test_after_other_errors_nobody_knows_what_the_provider_did(status: int) -> None:
    error = of_status("openai", status, "no", {})
    assert not error.was_refused
    assert spent_of(error) is None


def test_only_a_refusal_of_the_payload_can_be_about_its_length() -> None:
    assert type(of_status("openai", 400, "no", {}, too_long=True)) is ContextTooLong
    assert type(of_status("openai", 500, "no", {}, too_long=True)) is TaskFailed
    assert type(of_status("openai", 400, "no", {})) is InvalidPayload


def test_a_providers_text_is_short_one_line_and_without_the_key() -> None:
    said = cleaner(KEY)(f"no such key:\n {KEY} " + "x" * 1000)
    assert KEY not in said
    assert "\n" not in said
    assert len(said) == 300
