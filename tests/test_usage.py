"""What a call used, and the most that its input can use."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vera_orchestrator.errors import InvalidValue
from vera_orchestrator.usage import MESSAGE_OVERHEAD, STRUCTURE_OVERHEAD, Usage, input_bound

counts = st.integers(0, 10**9)
usages = st.builds(
    Usage,
    input=counts,
    output=counts,
    cache_read=counts,
    cache_write=counts,
    reasoning=counts,
    estimated=st.booleans(),
)


def test_each_token_is_counted_once() -> None:
    usage = Usage(input=100, cache_read=20, cache_write=3, output=40, reasoning=5)
    assert (usage.whole_input, usage.whole_output, usage.tokens) == (123, 45, 168)


def test_totals_of_a_provider_are_taken_apart() -> None:
    usage = Usage.from_totals(1_000, 300, cache_read=600, cache_write=100, reasoning=250)
    assert usage == Usage(input=300, cache_read=600, cache_write=100, output=50, reasoning=250)


@given(*[counts] * 5)
def test_the_whole_is_right_where_a_server_reports_parts_that_are_larger(
    whole_input: int, whole_output: int, cache_read: int, cache_write: int, reasoning: int
) -> None:
    usage = Usage.from_totals(
        whole_input, whole_output, cache_read=cache_read, cache_write=cache_write, reasoning=reasoning
    )
    assert (usage.whole_input, usage.whole_output) == (whole_input, whole_output)


@given(usages, usages)
def test_a_sum_holds_all_tokens_and_is_an_estimate_if_a_part_is(one: Usage, other: Usage) -> None:
    both = one + other
    assert both.tokens == one.tokens + other.tokens
    assert both.cache_write == one.cache_write + other.cache_write
    assert both.estimated == (one.estimated or other.estimated)


@given(usages)
def test_json_gives_the_same_usage_back(usage: Usage) -> None:
    assert Usage.from_json(json.loads(json.dumps(usage.to_json()))) == usage


def test_counts_that_json_leaves_out_are_zero() -> None:
    assert Usage.from_json({"input": 3}) == Usage(input=3)


@pytest.mark.parametrize(
    "value",
    [None, 3, [1], {"input": -1}, {"input": 1.5}, {"output": True}, {"input": "3"}, {"estimated": 1}, {"audio": 7}],
)
def test_what_is_not_a_usage_is_refused(value: object) -> None:
    with pytest.raises(InvalidValue, match="usage"):
        Usage.from_json(value)


def test_the_bound_counts_bytes_and_not_characters() -> None:
    assert input_bound(["aé漢😀"]) == 1 + 2 + 3 + 4 + MESSAGE_OVERHEAD


def test_half_a_surrogate_pair_is_counted_too() -> None:
    assert input_bound(["\ud83d"]) == 3 + MESSAGE_OVERHEAD


def test_tools_and_schemas_count_in_their_longest_form() -> None:
    schema = {"type": "object", "properties": {"stadt": {"type": "string", "description": "Köln"}}}
    bound = input_bound(["hi"], structures=[schema]) - input_bound(["hi"])
    assert bound >= STRUCTURE_OVERHEAD + len(json.dumps(schema, indent=4).encode())


def test_images_count_at_the_providers_maximum() -> None:
    assert input_bound(["hi"], images=3, tokens_per_image=1_600) == input_bound(["hi"]) + 4_800


def test_an_image_of_unknown_size_cannot_be_bounded() -> None:
    with pytest.raises(InvalidValue, match="tokens_per_image"):
        input_bound(["hi"], images=1)


@given(st.lists(st.text()), st.lists(st.text(), min_size=1))
def test_a_longer_conversation_has_a_larger_bound(messages: list[str], more: list[str]) -> None:
    assert input_bound(messages + more) > input_bound(messages)
