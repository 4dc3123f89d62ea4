"""Gemini's shape, seen through Google's client."""

# Google's client leaves the types of some arguments open
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import json
from typing import Any

import pytest
from google import genai
from google.genai import errors, types

from vera_orchestrator.simulator.running import Running
from vera_orchestrator.simulator.settings import SimulatorSettings
from vera_orchestrator.simulator.simulator import Simulator

SCHEMA = types.Schema(type=types.Type.OBJECT, properties={"city": types.Schema(type=types.Type.STRING)})
TOOL = types.Tool(function_declarations=[types.FunctionDeclaration(name="weather", parameters=SCHEMA)])
NO_MAGIC = types.AutomaticFunctionCallingConfig(disable=True)


@pytest.mark.usefixtures("simulator")
def test_a_prompt_is_echoed_and_says_that_it_is_simulated(gemini_client: genai.Client) -> None:
    answer = gemini_client.models.generate_content(model="gemini-x", contents="hello")
    assert (answer.text, answer.model_version) == ("[simulated] hello", "gemini-x")
    assert answer.candidates is not None
    assert answer.candidates[0].finish_reason == types.FinishReason.STOP
    assert answer.sdk_http_response is not None
    assert answer.sdk_http_response.headers is not None
    assert answer.sdk_http_response.headers["x-simulated"] == "true"


def test_thoughts_are_apart_and_the_cache_is_in_the_prompt(gemini_client: genai.Client, simulator: Simulator) -> None:
    counts: Any = {"input_tokens": 100, "cached_tokens": 60, "output_tokens": 9, "reasoning_tokens": 4}
    simulator.configure(SimulatorSettings(**counts))
    usage = gemini_client.models.generate_content(model="m", contents="hello").usage_metadata
    assert usage is not None
    assert (usage.prompt_token_count, usage.cached_content_token_count) == (100, 60)
    assert (usage.candidates_token_count, usage.thoughts_token_count, usage.total_token_count) == (5, 4, 109)


@pytest.mark.usefixtures("simulator")
def test_a_stream_adds_up_to_the_whole_answer(gemini_client: genai.Client) -> None:
    config = types.GenerateContentConfig(system_instruction="be brief", max_output_tokens=4)
    chunks = list(gemini_client.models.generate_content_stream(model="m", contents="one two three", config=config))
    assert "".join(chunk.text or "" for chunk in chunks) == "[simulated] one two three"
    assert len(chunks) == 4
    usage = chunks[-1].usage_metadata
    assert usage is not None
    assert (usage.prompt_token_count, usage.candidates_token_count) == (3 + 2 + 2 * 3, 4)


@pytest.mark.usefixtures("simulator")
def test_an_answer_ends_at_its_limit(gemini_client: genai.Client) -> None:
    config = types.GenerateContentConfig(max_output_tokens=1)
    answer = gemini_client.models.generate_content(model="m", contents="hello", config=config)
    assert answer.text == "[simulated]"
    assert answer.candidates is not None
    assert answer.candidates[0].finish_reason == types.FinishReason.MAX_TOKENS


@pytest.mark.usefixtures("simulator")
def test_a_function_is_called_and_its_result_is_answered(gemini_client: genai.Client) -> None:
    config = types.GenerateContentConfig(tools=[TOOL], automatic_function_calling=NO_MAGIC)
    asked = types.Content(role="user", parts=[types.Part(text="weather?")])
    first = gemini_client.models.generate_content(model="m", contents=[asked], config=config)
    assert first.function_calls is not None
    assert (first.function_calls[0].name, first.function_calls[0].args) == ("weather", {"city": "[simulated]"})
    history = [
        types.Content(role="model", parts=[types.Part(function_call=first.function_calls[0])]),
        types.Content(role="user", parts=[types.Part.from_function_response(name="weather", response={"is": "sunny"})]),
    ]
    second = gemini_client.models.generate_content(model="m", contents=[asked, *history], config=config)
    assert second.text == "[simulated] weather?"


@pytest.mark.parametrize("field", ["response_schema", "response_json_schema"])
@pytest.mark.usefixtures("simulator")
def test_an_answer_fits_its_schema(gemini_client: genai.Client, field: str) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    config = types.GenerateContentConfig.model_validate({"response_mime_type": "application/json", field: schema})
    answer = gemini_client.models.generate_content(model="m", contents="a number", config=config)
    assert json.loads(answer.text or "") == {"n": 1}


@pytest.mark.usefixtures("simulator")
def test_an_image_costs_what_it_costs(gemini_client: genai.Client) -> None:
    image = types.Part.from_bytes(data=b"not looked at", mime_type="image/png")
    contents: Any = ["look", image]
    assert gemini_client.models.count_tokens(model="m", contents=contents).total_tokens == 1 + 3 + 258


@pytest.mark.usefixtures("simulator")
def test_texts_are_embedded(gemini_client: genai.Client) -> None:
    config = types.EmbedContentConfig(output_dimensionality=8)
    answer = gemini_client.models.embed_content(model="m", contents=["one", "two"], config=config)
    assert answer.embeddings is not None
    assert [len(item.values or ()) for item in answer.embeddings] == [8, 8]


def test_models_are_listed_and_described(gemini_client: genai.Client, simulator: Simulator) -> None:
    simulator.configure(SimulatorSettings(models=("mine",), context_length=777))
    assert [model.name for model in gemini_client.models.list()] == ["models/mine"]
    described = gemini_client.models.get(model="mine")
    assert (described.display_name, described.input_token_limit) == ("mine (simulated)", 777)
    assert described.supported_actions == ["generateContent", "countTokens"]


@pytest.mark.parametrize(
    ("values", "status", "name"),
    [
        ({"key": "another"}, 401, "UNAUTHENTICATED"),
        ({"errors": (403,)}, 403, "PERMISSION_DENIED"),
        ({"models": ("other",)}, 404, "NOT_FOUND"),
        ({"context_length": 3}, 400, "INVALID_ARGUMENT"),
        ({"errors": (429,)}, 429, "RESOURCE_EXHAUSTED"),
        ({"errors": (500,)}, 500, "INTERNAL"),
        ({"errors": (503,)}, 503, "UNAVAILABLE"),
    ],
)
def test_errors_come_as_the_clients_own(
    gemini_client: genai.Client, simulator: Simulator, values: dict[str, Any], status: int, name: str
) -> None:
    simulator.configure(SimulatorSettings(**values))
    with pytest.raises(errors.APIError, match=r"\[simulated\]") as raised:
        gemini_client.models.generate_content(model="m", contents="hello")
    assert (raised.value.code, raised.value.status) == (status, name)


def test_a_429_says_in_its_body_when_to_come_back(gemini_client: genai.Client, simulator: Simulator) -> None:
    simulator.configure(SimulatorSettings(errors=(429,), retry_after=7))
    with pytest.raises(errors.ClientError) as raised:
        gemini_client.models.generate_content(model="m", contents="hello")
    assert "'retryDelay': '7s'" in str(raised.value)


def test_a_filtered_answer_has_a_reason_and_no_text(gemini_client: genai.Client, simulator: Simulator) -> None:
    simulator.configure(SimulatorSettings.model_validate({"errors": ["filtered", "empty"]}))
    filtered = gemini_client.models.generate_content(model="m", contents="hello")
    assert filtered.candidates is not None
    assert (filtered.text, filtered.candidates[0].finish_reason) == (None, types.FinishReason.SAFETY)
    assert gemini_client.models.generate_content(model="m", contents="hello").candidates is None


@pytest.mark.usefixtures("simulator")
def test_the_client_also_finds_it_under_its_default_version(running: Running) -> None:
    client = genai.Client(api_key="k", http_options=types.HttpOptions(base_url=running.url, api_version="v1"))
    assert client.models.generate_content(model="m", contents="hello").text == "[simulated] hello"
    assert next(iter(client.models.list())).name == "models/gemini-2.5-flash"
    client.close()
