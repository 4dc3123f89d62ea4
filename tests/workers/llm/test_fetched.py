"""What a provider fetches by itself has no size that could be reserved; all that is sent is counted."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conformance.llm_calls import WEATHER, call
from vera_orchestrator.errors import InvalidPayload
from vera_orchestrator.payloads import LLMPayload
from vera_orchestrator.workers.llm.asked import Asked
from vera_orchestrator.workers.llm.calls import build_embedding
from vera_orchestrator.workers.llm.costs import Costs
from vera_orchestrator.workers.llm.openai_wire import request_body

GPT = Costs(provider="openai")
LONG = "word " * 2_000


def said(*parts: dict[str, Any], **beside: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": list(parts), **beside}]}


def asked(payload: dict[str, Any], *, cap: bool, fetches_files: bool = False) -> Asked:
    given_payload = LLMPayload.model_validate(payload)
    return Asked.of(given_payload, "gpt-4o", output_tokens=10, cap=cap, fetches_files=fetches_files)


FETCHED: dict[str, dict[str, Any]] = {
    "payload.messages.0.content.1": said({"type": "text", "text": "x"}, {"type": "file", "file": {"file_id": "f"}}),
    "payload.messages.0.content.0": said({"type": "document", "source": {"type": "url", "url": "http://a/b.pdf"}}),
    "payload.messages.0.audio": {"messages": [{"role": "assistant", "content": "x", "audio": {"id": "a"}}]},
    "payload.cached_content": {"prompt": "x", "cached_content": "cachedContents/1"},
    "payload.web_search_options": {"prompt": "x", "web_search_options": {}},
    "payload.tools.1": {"prompt": "x", "tools": [WEATHER, {"type": "web_search_20250305", "name": "web_search"}]},
}


@pytest.mark.parametrize("field", FETCHED)
def test_what_a_provider_fetches_is_refused_by_name_where_limits_hold(field: str) -> None:
    with pytest.raises(InvalidPayload) as caught:
        asked(FETCHED[field], cap=True)
    assert (caught.value.field, caught.value.elsewhere) == (field, True)
    assert asked(FETCHED[field], cap=False).amounts(GPT, 0).cost is None


UNBOUNDED: list[dict[str, Any]] = [
    {"fileData": {"fileUri": "https://a/b.mp4"}},
    {"inline_data": {"mime_type": "application/pdf", "data": "JVBERg=="}},
    {"function_response": {"name": "f", "response": {}, "parts": [{"inlineData": {}}]}},
    {"text": "x", "file_data": {"file_uri": "https://a/b.mp4"}},
    {"type": "image", "data": "JVBERg==", "media_type": "application/pdf"},
    {"type": "input_audio", "input_audio": {"data": "", "format": "mp3"}},
    {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERg=="}},
    {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "image", "source": {"type": "base64"}}]},
    {"type": "of a kind to come"},
]


@pytest.mark.parametrize("part", UNBOUNDED)
def test_a_part_that_is_more_than_it_says_has_no_bound(part: dict[str, Any]) -> None:
    assert asked(said(part), cap=False).unbounded == "payload.messages.0.content.0"


TEXTS: list[dict[str, Any]] = [
    {"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}},
    {"type": "thinking", "thinking": "hm", "signature": "s"},
    {"type": "tool_use", "id": "t", "name": "f", "input": {"url": "http://a", "file": "b"}},
    {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "x"}]},
    {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "x"}},
    {"type": "image_url", "image_url": {"url": "https://a/b.png"}},
    {"function_response": {"name": "f", "response": {"file": "b"}}},
]


@pytest.mark.parametrize("part", TEXTS)
def test_what_is_text_keeps_its_bound(part: dict[str, Any]) -> None:
    assert asked(said(part, name="somebody"), cap=True).amounts(GPT, 1_000).cost is not None


def test_an_address_may_name_any_file_where_the_provider_takes_any() -> None:
    image = said({"type": "image", "url": "https://a/b"})
    assert asked(image, cap=True).unbounded is None
    with pytest.raises(InvalidPayload):
        asked(image, cap=True, fetches_files=True)


@given(
    st.sampled_from(["name", "reasoning_content", "function_call", "tool_call_id"]), st.text(min_size=1, max_size=300)
)
def test_all_that_is_sent_is_counted(name: str, text: str) -> None:
    tool: dict[str, Any] = {"id": text, "name": "f", "arguments": {}}
    messages: list[dict[str, Any]] = [
        {"role": "assistant", "content": "", "tool_calls": [tool]},
        *[{"role": "tool", "tool_call_id": text, "content": "x"}] * 3,
        {"role": "user", "content": [{"type": "text", "text": "x", "cache_control": text}], name: LONG},
    ]
    one = call(messages=messages, prompt=None)
    sent = json.dumps(request_body(one, own_address=True)["messages"], ensure_ascii=False)
    assert one.input_bound(0) >= len(sent.encode("utf-8", "surrogatepass"))


def test_the_fields_beside_texts_to_embed_count() -> None:
    payload = {"kind": "embedding", "input": "x", "title": LONG}
    assert build_embedding(LLMPayload.model_validate(payload), "m").input_bound() > len(LONG)
    with pytest.raises(InvalidPayload, match=r"payload\.file_id"):
        asked({"kind": "embedding", "input": "x", "file_id": "f"}, cap=True)


def test_a_guess_of_the_answer_is_not_charged_by_the_list() -> None:
    guess = {"type": "content", "content": LONG}
    assert asked({"prompt": "x", "prediction": guess}, cap=True).amounts(GPT, 0).cost is None
