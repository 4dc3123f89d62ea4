"""What a payload's messages and tools become, and what is refused by name."""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conformance.llm_calls import CITY, PIXEL, call
from vera_orchestrator.errors import InvalidPayload
from vera_orchestrator.workers.llm.anthropic_wire import request_body as anthropic_body
from vera_orchestrator.workers.llm.conversation import ImagePart, NativePart, NativeTool, Role, TextPart, Tool
from vera_orchestrator.workers.llm.gemini_wire import config_of, contents_of
from vera_orchestrator.workers.llm.messages import read_messages, read_tool_choice, read_tools
from vera_orchestrator.workers.llm.ollama_wire import arguments_of
from vera_orchestrator.workers.llm.openai_wire import is_closed, request_body

CALLED: dict[str, Any] = {
    "role": "assistant",
    "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}],
}


@pytest.mark.parametrize(
    ("field", "messages"),
    [
        ("messages.0.role", [{"role": "wizard", "content": "hi"}]),
        ("messages.0.content", [{"role": "user", "content": 5}]),
        ("messages.0.content.0", [{"role": "user", "content": [5]}]),
        ("messages.0.content.0", [{"role": "user", "content": [{"type": "image", "url": "file:///etc/passwd"}]}]),
        ("messages.0.tool_calls.0", [{"role": "assistant", "tool_calls": [{"name": "f", "arguments": "{"}]}]),
        ("messages.0.tool_calls", [{"role": "assistant", "tool_calls": 5}]),
        ("messages.1.tool_call_id", [CALLED, {"role": "tool", "tool_call_id": "c2", "content": "no"}]),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(field: str, messages: list[dict[str, Any]]) -> None:
    with pytest.raises(InvalidPayload) as caught:
        read_messages(messages)
    assert caught.value.field == f"payload.{field}"


def test_roles_of_other_dialects_are_known() -> None:
    messages = read_messages([{"role": "developer", "content": "a"}, {"role": "model", "content": "b"}])
    assert [message.role for message in messages] == [Role.SYSTEM, Role.ASSISTANT]


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}},
        {"type": "image_url", "image_url": f"data:image/png;base64,{PIXEL}"},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}},
        {"type": "image", "data": PIXEL},
    ],
)
def test_an_image_may_be_given_in_several_forms(part: dict[str, Any]) -> None:
    (message,) = read_messages([{"role": "user", "content": [part]}])
    assert message.parts == (ImagePart(data=PIXEL, media_type="image/png"),)


def test_parts_and_tools_that_only_a_provider_knows_are_kept_for_it() -> None:
    document = {"type": "document", "source": {"type": "text", "data": "x"}}
    search = {"type": "web_search_20260101", "name": "web_search"}
    asked = call(messages=[{"role": "user", "content": [document]}], tools=[search])
    assert asked.messages[0].parts == (NativePart(value=document),)
    assert asked.tools == (NativeTool(value=search),)
    body = anthropic_body(asked)
    assert (body["messages"][0]["content"], body["tools"]) == ([document], [search])
    with pytest.raises(InvalidPayload, match=r"payload\.tools"):
        arguments_of(asked)
    with pytest.raises(InvalidPayload, match=r"messages\.0\.content"):
        arguments_of(replace(asked, tools=()))


def test_a_result_may_name_its_tool_in_place_of_the_call() -> None:
    answer = read_messages([CALLED, {"role": "tool", "name": "f", "content": "1"}])[1]
    assert (answer.tool_call_id, answer.tool_name) == ("c1", "f")


def test_results_of_one_turn_go_to_anthropic_and_gemini_together() -> None:
    calls = [{"id": f"c{n}", "name": "f", "arguments": {"n": n}} for n in range(2)]
    results = [{"role": "tool", "tool_call_id": f"c{n}", "content": f'{{"n": {n}}}'} for n in range(2)]
    asked = call(messages=[{"role": "user", "content": "go"}, {"role": "assistant", "tool_calls": calls}, *results])
    last = anthropic_body(asked)["messages"][-1]
    assert [block["tool_use_id"] for block in last["content"]] == ["c0", "c1"]
    responses = [part["function_response"] for part in contents_of(asked.messages)[-1]["parts"]]
    assert responses == [{"id": f"c{n}", "name": "f", "response": {"n": n}} for n in range(2)]


def test_what_gemini_signed_goes_back_to_it() -> None:
    signature = base64.b64encode(b"sealed").decode()
    calls: list[Any] = [{"id": "c", "name": "f", "arguments": {}, "signature": signature}]
    (content,) = contents_of(read_messages([{"role": "assistant", "tool_calls": calls}]))
    assert content["parts"][0]["thought_signature"] == b"sealed"


@pytest.mark.parametrize(
    ("raw", "mode", "name"),
    [
        ("auto", "auto", None),
        ("any", "required", None),
        ("f", "required", "f"),
        ({"type": "function", "function": {"name": "f"}}, "required", "f"),
        ({"type": "none"}, "none", None),
    ],
)
def test_a_choice_of_tools_has_one_form(raw: Any, mode: str, name: str | None) -> None:
    choice = read_tool_choice(raw)
    assert choice is not None
    assert (choice.mode, choice.name) == (mode, name)


def test_tools_have_one_form() -> None:
    flat = {"name": "f", "description": "d", "parameters": CITY}
    forms = [flat, {"type": "function", "function": flat}, {"name": "f", "description": "d", "input_schema": CITY}]
    assert set(map(repr, read_tools(forms))) == {repr(Tool(name="f", description="d", parameters=CITY))}
    with pytest.raises(InvalidPayload, match=r"tools\.0\.name"):
        read_tools([{"type": "function", "function": {"description": "d"}}])


@pytest.mark.parametrize("name", ["etc/passwd", "/etc/hostname"])
def test_no_file_of_this_machine_is_sent_as_an_image(name: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("hunter2")
    for text in (name, str(secret)):
        messages = [{"role": "user", "content": "look", "images": [text]}]
        try:
            images = arguments_of(call(messages=messages))["messages"][0]["images"]
        except InvalidPayload:
            continue
        assert images[0].value == base64.b64decode(text)


def test_only_a_closed_schema_is_strict() -> None:
    assert not is_closed(CITY)
    assert is_closed({**CITY, "additionalProperties": False})
    assert not is_closed({"type": "array", "items": CITY})
    form = request_body(call(json_schema={**CITY, "additionalProperties": False}), own_address=True)
    assert form["response_format"]["json_schema"]["strict"] is True


def test_fields_of_a_provider_are_added_to_its_request() -> None:
    assert config_of(call(top_p=0.5))["top_p"] == 0.5
    assert arguments_of(call(top_p=0.5))["options"] == {"top_p": 0.5}


TEXTS = st.text(min_size=1, max_size=8)


@given(texts=st.lists(TEXTS, min_size=1, max_size=5), bare=st.booleans())
def test_no_text_is_lost_on_the_way_to_gemini(texts: list[str], bare: bool) -> None:
    contents = [text if bare else [{"type": "text", "text": text}] for text in texts]
    messages = read_messages([{"role": "user", "content": content} for content in contents])
    assert [message.parts for message in messages] == [(TextPart(text=text),) for text in texts]
    assert [content["parts"] for content in contents_of(messages)] == [[{"text": text}] for text in texts]
