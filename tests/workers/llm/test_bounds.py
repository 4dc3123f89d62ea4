"""The size of a call is known before it is sent, whatever name a provider has for what sets it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conformance.llm_calls import WEATHER, call, embedding
from vera_orchestrator.errors import InvalidPayload
from vera_orchestrator.pricing import PriceOverrides
from vera_orchestrator.workers.llm.asked import Asked
from vera_orchestrator.workers.llm.bounds import OUTPUT_LIMITS, answers_of, capped, is_by_the_list, output_bound
from vera_orchestrator.workers.llm.costs import Costs
from vera_orchestrator.workers.llm.gemini_wire import config_of

GPT = Costs(provider="openai")


@pytest.mark.parametrize("name", OUTPUT_LIMITS)
def test_every_name_of_the_output_limit_is_the_limit(name: str) -> None:
    asked = call(**{name: 7})
    assert (asked.max_tokens, dict(asked.extra)) == (7, {})
    assert call(options={name: 7, "seed": 1}).extra == {"options": {"seed": 1}}
    assert call(options={name: 7}).max_tokens == 7
    assert call(**{name: 7}, max_tokens=7).max_tokens == 7


@pytest.mark.parametrize("value", [0, -1, 1.5, True, "7", None])
@pytest.mark.parametrize("field", ["max_completion_tokens", "num_predict"])
def test_a_limit_that_is_none_is_refused_by_name(field: str, value: Any) -> None:
    with pytest.raises(InvalidPayload, match=rf"payload\.{field}"):
        call(**{field: value})


def test_two_limits_that_differ_are_refused() -> None:
    with pytest.raises(InvalidPayload, match="differs"):
        call(max_tokens=5, max_completion_tokens=500)


@given(st.integers(1, 8), st.integers(1, 8), st.integers(1, 10_000))
def test_every_answer_that_is_asked_for_counts(first: int, second: int, limit: int) -> None:
    asked = call(n=first, best_of=second, max_tokens=limit)
    assert output_bound(asked, 1) == max(first, second) * limit


@pytest.mark.parametrize("name", ["n", "best_of", "candidate_count", "candidateCount"])
@pytest.mark.parametrize("value", [0, -3, "2", 1e9, True])
def test_a_number_of_answers_that_is_none_is_refused(name: str, value: Any) -> None:
    with pytest.raises(InvalidPayload, match=rf"payload\.{name}"):
        answers_of({name: value})


def test_an_answer_without_a_limit_gets_one_where_limits_hold() -> None:
    assert capped(call(), 100).max_tokens == 100
    assert capped(call(max_tokens=7), 100).max_tokens == 7
    assert output_bound(call(), 100) == 100


@pytest.mark.parametrize("more", [{"service_tier": "priority"}, {"tools": [{"type": "web_search"}]}, {"models": ["a"]}])
def test_what_is_not_charged_by_the_list_has_no_known_most(more: dict[str, Any]) -> None:
    asked = Asked(call=call(model="gpt-4o", **more), output=10)
    assert not is_by_the_list(call(**more))
    assert asked.amounts(GPT, 0).cost is None
    assert asked.amounts(GPT, 0).tokens > 10


def test_a_call_is_bound_by_its_bytes_and_its_limit() -> None:
    asked = Asked(call=call(model="gpt-4o", prompt="x" * 984, tools=None), output=1_000)
    amounts = asked.amounts(GPT, 0)
    # a message and the (empty) system prompt cost 16 tokens each beside their bytes
    assert (amounts.requests, amounts.tokens) == (1, 984 + 32 + 1_000)
    # 1,016 at 2.50 and 1,000 at 10 a million, in billionths
    assert amounts.cost == 2_540_000 + 10_000_000
    with_tools = Asked(call=call(model="gpt-4o", prompt="x" * 984, tools=[WEATHER]), output=1_000)
    assert with_tools.amounts(GPT, 0).tokens > amounts.tokens + 1_000


def test_an_embedding_has_no_output() -> None:
    asked = Asked(call=embedding("x" * 984), output=0)
    assert asked.amounts(Costs(overrides=PriceOverrides()), 0).tokens == 1_000


@pytest.mark.parametrize("name", ["http_options", "httpOptions"])
def test_a_task_cannot_say_where_the_key_goes(name: str) -> None:
    with pytest.raises(InvalidPayload, match=name):
        config_of(call(**{name: {"base_url": "http://127.0.0.1:9"}}))
