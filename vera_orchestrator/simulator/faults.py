"""What goes wrong with a request, and when: pure decisions."""

from __future__ import annotations

import random
from collections.abc import Mapping

from vera_orchestrator.simulator.conversation import MARK, Asked, input_tokens
from vera_orchestrator.simulator.settings import OK, Outcome, SimulatorSettings

CONTEXT_EXCEEDED = "context_length_exceeded"
"""The code of a refusal for more input than the context takes."""
_SAID: Mapping[int, str] = {
    400: "the request is not valid",
    401: "the key is not valid",
    403: "the key may not do this",
    404: "no such model",
    408: "the request took too long to arrive",
    429: "too many requests",
    500: "something broke",
    503: "the service is not available",
    529: "the service is overloaded",
}


class Refused(Exception):
    """A request that gets an error status; `retry_after` in seconds becomes a header, `code` names the reason."""

    def __init__(self, status: int, message: str, *, code: str | None = None, retry_after: float | None = None) -> None:
        self.status = status
        self.message = f"{MARK} {message}"
        self.code = code
        self.retry_after = retry_after
        super().__init__(self.message)


def outcome_of(settings: SimulatorSettings, turn: int) -> Outcome:
    """Return what becomes of a request, the `turn`-th since the settings were made."""
    if turn < len(settings.errors):
        return settings.errors[turn]
    drawn = random.Random(f"{settings.seed}:{turn}").random()
    for outcome, rate in settings.error_rates.items():
        drawn -= rate
        if drawn < 0:
            return outcome
    return OK


def check_outcome(settings: SimulatorSettings, outcome: Outcome) -> None:
    """Raise Refused for an outcome that is an error status."""
    if isinstance(outcome, int) and outcome != OK and outcome >= 400:
        after = settings.retry_after if outcome == 429 else None
        raise Refused(outcome, _SAID.get(outcome, "an error that was asked for"), retry_after=after)


def check_key(settings: SimulatorSettings, key: str) -> None:
    """Raise Refused (401) for a wrong key where one is required."""
    if settings.key is not None and key != settings.key.get_secret_value():
        raise Refused(401, _SAID[401], code="invalid_api_key")


def check_model(known: frozenset[str], model: str) -> None:
    """Raise Refused (404) for a model that is not among the known ones; none are named: all are known."""
    if known and known.isdisjoint((model, f"{model}:latest", model.removesuffix(":latest"))):
        raise Refused(404, f"the model {model!r} does not exist", code="model_not_found")


def check_context(settings: SimulatorSettings, asked: Asked) -> None:
    """Raise Refused (400) for more input than the context takes."""
    tokens = input_tokens(asked, settings.message_tokens)
    if tokens > settings.context_length:
        raise Refused(
            400,
            f"the prompt is too long: {tokens} tokens > {settings.context_length} maximum context length",
            code=CONTEXT_EXCEEDED,
        )
