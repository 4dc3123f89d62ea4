"""What all shapes share: faults on the wire, pauses, lists, bodies that make no sense."""

from __future__ import annotations

import json
from typing import Any

import anthropic
import httpx
import ollama
import openai
import pytest

from tests.simulator.conftest import Pauses, user
from vera_orchestrator.simulator.settings import SimulatorSettings
from vera_orchestrator.simulator.simulator import Simulator

CHAT = "/v1/chat/completions"
ASKED = {"model": "m", "messages": user("a few words")}
STREAMED = ASKED | {"stream": True}
BODIES: dict[str, tuple[str, dict[str, Any]]] = {
    "openai": (CHAT, STREAMED),
    "anthropic": ("/v1/messages", STREAMED | {"max_tokens": 50}),
    "ollama": ("/api/chat", STREAMED),
    "gemini": ("/v1beta/models/m:streamGenerateContent?alt=sse", {"contents": [{"parts": [{"text": "a few words"}]}]}),
}


def set_to(simulator: Simulator, **values: Any) -> None:
    simulator.configure(SimulatorSettings.model_validate(values))


@pytest.mark.parametrize("shape", BODIES)
@pytest.mark.parametrize("fault", ["cut", "reset"])
def test_a_stream_breaks_off_after_so_many_pieces(
    http: httpx.Client, simulator: Simulator, shape: str, fault: str
) -> None:
    set_to(simulator, errors=[fault], cut_after=2)
    path, body = BODIES[shape]
    received = b""
    with pytest.raises(httpx.TransportError), http.stream("POST", path, json=body) as response:
        assert response.headers["x-simulated"] == "true"
        for data in response.iter_bytes():
            received += data
    assert b"[simulated]" in received
    assert b" a" in received
    assert b" few" not in received
    seen = simulator.seen[0]
    assert (seen.shape, seen.ended, seen.pieces) == (shape, "broken", 2)


@pytest.mark.parametrize("shape", BODIES)
def test_a_stream_turns_to_rubbish(http: httpx.Client, simulator: Simulator, shape: str) -> None:
    set_to(simulator, errors=["malformed"])
    path, body = BODIES[shape]
    assert b'{"simulated": tru\n' in http.post(path, json=body).content


def test_a_whole_answer_is_cut_in_its_middle(http: httpx.Client, simulator: Simulator) -> None:
    set_to(simulator, errors=["cut"])
    with pytest.raises(httpx.RemoteProtocolError, match="peer closed connection without sending complete"):
        http.post(CHAT, json=ASKED)


def test_a_reset_comes_before_a_whole_answer(http: httpx.Client, simulator: Simulator) -> None:
    set_to(simulator, errors=["reset"])
    with pytest.raises(httpx.ReadError):
        http.post(CHAT, json=ASKED)


def test_a_malformed_answer_is_no_json(http: httpx.Client, simulator: Simulator) -> None:
    set_to(simulator, errors=["malformed"])
    response = http.post(CHAT, json=ASKED)
    assert response.status_code == 200
    with pytest.raises(json.JSONDecodeError):
        response.json()


@pytest.mark.parametrize("body", [ASKED, STREAMED])
def test_a_hang_lasts_until_the_client_leaves(http: httpx.Client, simulator: Simulator, body: dict[str, Any]) -> None:
    set_to(simulator, errors=["hang"])
    with pytest.raises(httpx.ReadTimeout):
        http.post(CHAT, json=body, timeout=0.1)
    assert http.post(CHAT, json=ASKED).json()["choices"][0]["message"]["content"] == "[simulated] a few words"


def test_an_answer_without_choices(
    openai_client: openai.OpenAI, anthropic_client: anthropic.Anthropic, simulator: Simulator
) -> None:
    set_to(simulator, error_rates={"empty": 1})
    assert openai_client.chat.completions.create(model="m", messages=user("hello")).choices == []
    assert anthropic_client.messages.create(model="m", max_tokens=9, messages=user("hello")).content == []


def test_a_filtered_answer_says_so(
    openai_client: openai.OpenAI, anthropic_client: anthropic.Anthropic, simulator: Simulator
) -> None:
    set_to(simulator, error_rates={"filtered": 1})
    choice = openai_client.chat.completions.create(model="m", messages=user("hello")).choices[0]
    assert choice.finish_reason == "content_filter"
    message = anthropic_client.messages.create(model="m", max_tokens=9, messages=user("hello"))
    assert message.stop_reason == "refusal"


def test_pauses_are_made_before_an_answer_and_per_token(
    http: httpx.Client, simulator: Simulator, pauses: Pauses
) -> None:
    set_to(simulator, latency=2, token_latency=0.5)
    http.post(CHAT, json=STREAMED)
    assert pauses == [2, 0.5, 0.5, 0.5, 0.5]
    pauses.clear()
    http.post(CHAT, json=ASKED)
    assert pauses == [2, 4 * 0.5]


def test_a_client_that_leaves_a_stream_is_noticed(simulator: Simulator, http: httpx.Client) -> None:
    set_to(simulator, answers=["word " * 40_000])
    with http.stream("POST", CHAT, json=STREAMED) as response:
        next(response.iter_bytes())
    asked_again = 0
    while simulator.seen[0].ended == "open" and asked_again < 500:
        http.get("/api/version")
        asked_again += 1
    assert simulator.seen[0].ended == "client_left"
    assert 0 < simulator.seen[0].pieces < 40_000


def test_usage_can_be_kept_back_in_every_shape(
    openai_client: openai.OpenAI, http: httpx.Client, simulator: Simulator
) -> None:
    set_to(simulator, report_usage=False)
    assert openai_client.chat.completions.create(model="m", messages=user("hello")).usage is None
    path, body = BODIES["gemini"]
    assert "usageMetadata" not in http.post(path, json=body).text
    path, body = BODIES["anthropic"]
    assert "usage" not in http.post(path, json=body | {"stream": False}).json()
    assert "usage" not in http.post(path, json=body).text


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/embeddings", {"model": "m", "input": "one two"}),
        ("/api/embed", {"model": "m", "input": "one two"}),
        ("/v1beta/models/m:embedContent", {"content": {"parts": [{"text": "one two"}]}}),
        ("/api/chat", {"model": "m"}),
        ("/api/generate", {"model": "m"}),
        ("/api/pull", {"model": "m"}),
    ],
)
def test_what_is_not_answered_in_text_has_no_output(
    http: httpx.Client, simulator: Simulator, path: str, body: dict[str, Any]
) -> None:
    set_to(simulator, output_tokens=70, reasoning_tokens=7)
    assert http.post(path, json=body).status_code == 200
    usage = simulator.seen[0].usage
    assert usage is not None
    assert (usage.all_input, usage.all_output) == (2 if "mbed" in path else 0, 0)


@pytest.mark.parametrize("status", [404, 405, 501])
def test_a_server_may_have_no_lists(
    openai_client: openai.OpenAI, ollama_client: ollama.Client, simulator: Simulator, status: int
) -> None:
    set_to(simulator, list_status=status)
    with pytest.raises(openai.APIStatusError) as raised:
        openai_client.models.list()
    assert raised.value.status_code == status
    with pytest.raises(ollama.ResponseError):
        ollama_client.list()


def test_lists_ask_for_the_key_too(http: httpx.Client, simulator: Simulator) -> None:
    set_to(simulator, key="right")
    assert http.get("/v1/models").status_code == 401
    assert http.get("/v1/models", headers={"authorization": "Bearer right"}).status_code == 200
    assert http.get("/v1beta/models", params={"key": "right"}).status_code == 200


def test_equal_settings_and_requests_give_equal_answers(http: httpx.Client, simulator: Simulator) -> None:
    def statuses() -> list[int]:
        simulator.forget()
        set_to(simulator, seed=3, error_rates={"500": 0.5})
        return [http.post(CHAT, json=ASKED).status_code for _ in range(20)]

    first = statuses()
    assert set(first) == {200, 500}
    assert statuses() == first


@pytest.mark.parametrize("body", [b"", b"[]", b'"text"', b"{", b'{"messages": 1}', b'{"model": "m", "messages": [1]}'])
@pytest.mark.parametrize("shape", BODIES)
@pytest.mark.usefixtures("simulator")
def test_a_body_that_makes_no_sense_is_refused(http: httpx.Client, shape: str, body: bytes) -> None:
    path, _ = BODIES[shape]
    assert http.post(path, content=body).status_code == 400
