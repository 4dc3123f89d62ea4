"""How large a call can become: pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from vera_orchestrator.errors import InvalidPayload
from vera_orchestrator.workers.llm.conversation import NativeTool
from vera_orchestrator.workers.llm.forms import LLMCall
from vera_orchestrator.workers.llm.messages import mapping

OUTPUT_LIMITS = (
    "max_completion_tokens",
    "max_output_tokens",
    "maxOutputTokens",
    "max_new_tokens",
    "num_predict",
    "n_predict",
)
"""What providers call the limit of the output."""
ANSWERS = ("n", "best_of", "candidate_count", "candidateCount", "num_return_sequences")
"""What providers call the number of answers to one call."""
OFF_THE_LIST = frozenset(
    {
        "service_tier",
        "serviceTier",
        "speed",
        "inference_geo",
        "models",
        "modalities",
        "response_modalities",
        "responseModalities",
        "audio",
        "web_search_options",
        "plugins",
        "mcp_servers",
        "container",
        "prediction",
    }
)
"""Fields with which a call is not charged by the list: other tiers or models, sound, searches, guesses to be paid."""


def take_output_limit(max_tokens: int | None, extra: dict[str, Any]) -> int | None:
    """Return the limit of the output, and take it out of `extra` under the names that providers have for it.

    Raises InvalidPayload for one that is no number from 1 on, and for two that differ.
    """
    options = mapping(extra.get("options"))
    if options is not None and any(name in options for name in OUTPUT_LIMITS):
        inner = dict(options)
        max_tokens = take_output_limit(max_tokens, inner)
        extra["options"] = inner
    for name in OUTPUT_LIMITS:
        if name not in extra:
            continue
        given = count_of(extra, name)
        del extra[name]
        if max_tokens not in (None, given):
            raise InvalidPayload("It differs from max_tokens.", field=f"payload.{name}", remedy="Give one of them.")
        max_tokens = given
    return max_tokens


def answers_of(extra: Mapping[str, Any]) -> int:
    """Return how many answers a call makes, each of which is paid for; raises InvalidPayload."""
    return max([1, *(count_of(extra, name) for name in ANSWERS if extra.get(name) is not None)])


def count_of(extra: Mapping[str, Any], name: str) -> int:
    """Return a field that is a count from 1 on; raises InvalidPayload for another."""
    value = extra[name]
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise InvalidPayload("Not a number from 1 on.", field=f"payload.{name}", remedy="Give one, or leave it out.")
    return value


def capped(call: LLMCall, output_tokens: int) -> LLMCall:
    """Return a call whose answer has a limit: its own, else this one."""
    return call if call.max_tokens is not None else replace(call, max_tokens=output_tokens)


def output_bound(call: LLMCall, output_tokens: int) -> int:
    """Return the most tokens that the answers to a call have, if those without a limit keep to `output_tokens`."""
    return (call.max_tokens or output_tokens) * answers_of(call.extra)


def is_by_the_list(call: LLMCall) -> bool:
    """Return whether nothing is charged but its tokens at their list price; tools that the provider runs cost more."""
    return not OFF_THE_LIST & call.extra.keys() and not any(isinstance(tool, NativeTool) for tool in call.tools)
