"""Ollama's shape, seen through Ollama's client."""

# Ollama's client leaves the types of some arguments open
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import json
from typing import Any

import httpx
import ollama
import pytest

from tests.simulator.conftest import user
from vera_orchestrator.simulator.settings import SimulatorSettings
from vera_orchestrator.simulator.simulator import Simulator

TOOL: Any = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}


@pytest.mark.usefixtures("simulator")
def test_a_chat_is_echoed_and_counted(ollama_client: ollama.Client) -> None:
    answer = ollama_client.chat(model="llama3.2", messages=user("hello"))
    assert (answer.message.content, answer.done, answer.done_reason) == ("[simulated] hello", True, "stop")
    assert (answer.prompt_eval_count, answer.eval_count) == (4, 2)


@pytest.mark.usefixtures("simulator")
def test_a_prompt_is_echoed_with_its_system_counted(ollama_client: ollama.Client) -> None:
    answer = ollama_client.generate(model="llama3.2", prompt="hello", system="be brief")
    assert (answer.response, answer.prompt_eval_count) == ("[simulated] hello", 1 + 2 + 2 * 3)


@pytest.mark.usefixtures("simulator")
def test_streams_add_up_to_the_whole_answer(ollama_client: ollama.Client) -> None:
    chat = list(ollama_client.chat(model="m", messages=user("a few words"), stream=True))
    generated = list(ollama_client.generate(model="m", prompt="a few words", stream=True))
    assert "".join(part.message.content or "" for part in chat) == "[simulated] a few words"
    assert "".join(part.response or "" for part in generated) == "[simulated] a few words"
    for parts in (chat, generated):
        assert [part.done for part in parts] == [False] * 4 + [True]
        assert parts[-1].eval_count == 4


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.usefixtures("simulator")
def test_a_tool_is_called(ollama_client: ollama.Client, stream: bool) -> None:
    answer: Any = ollama_client.chat(model="m", messages=user("weather?"), tools=[TOOL], stream=stream)
    calls = [call for part in (answer if stream else [answer]) for call in part.message.tool_calls or ()]
    assert [(call.function.name, call.function.arguments) for call in calls] == [("weather", {"city": "[simulated]"})]


@pytest.mark.usefixtures("simulator")
def test_the_result_of_a_tool_is_answered(ollama_client: ollama.Client) -> None:
    history = [*user("weather?"), {"role": "tool", "tool_name": "weather", "content": "sunny"}]
    assert ollama_client.chat(model="m", messages=history, tools=[TOOL]).message.content == "[simulated] weather?"


@pytest.mark.usefixtures("simulator")
def test_an_answer_fits_its_format(ollama_client: ollama.Client) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    assert json.loads(ollama_client.generate(model="m", prompt="x", format=schema).response or "") == {"n": 1}
    assert json.loads(ollama_client.generate(model="m", prompt="x", format="json").response or "") == {
        "simulated": True
    }


@pytest.mark.usefixtures("simulator")
def test_an_answer_ends_at_its_limit(ollama_client: ollama.Client) -> None:
    answer = ollama_client.generate(model="m", prompt="a few words", options={"num_predict": 2})
    assert (answer.response, answer.done_reason, answer.eval_count) == ("[simulated] a", "length", 2)


@pytest.mark.usefixtures("simulator")
def test_texts_are_embedded(ollama_client: ollama.Client) -> None:
    answer = ollama_client.embed(model="m", input=["one", "two"], dimensions=8)
    assert [len(vector) for vector in answer.embeddings] == [8, 8]
    assert answer.prompt_eval_count == 2


def test_usage_may_be_kept_back(ollama_client: ollama.Client, simulator: Simulator) -> None:
    simulator.configure(SimulatorSettings(report_usage=False))
    answer = ollama_client.chat(model="m", messages=user("hello"))
    assert (answer.prompt_eval_count, answer.eval_count) == (None, None)


def test_a_model_is_unknown_until_it_is_pulled(ollama_client: ollama.Client, simulator: Simulator) -> None:
    simulator.configure(SimulatorSettings(models=("mine:latest",)))
    with pytest.raises(ollama.ResponseError, match=r"\[simulated\]") as raised:
        ollama_client.generate(model="other", prompt="hello")
    assert raised.value.status_code == 404
    steps = list(ollama_client.pull("other", stream=True))
    assert [step.completed for step in steps if step.total] == [0, 250_000, 500_000, 750_000, 1_000_000]
    assert steps[-1].status == "success"
    assert ollama_client.generate(model="other", prompt="hello").response == "[simulated] hello"
    assert [model.model for model in ollama_client.list().models] == ["mine:latest", "other:latest"]


def test_a_pull_comes_in_layers_of_a_set_size(ollama_client: ollama.Client, simulator: Simulator) -> None:
    simulator.configure(SimulatorSettings(pull_sizes=(8, 4)))
    steps = [step for step in ollama_client.pull("m", stream=True) if step.total]
    assert [(step.completed, step.total) for step in steps[:6]] == [(0, 8), (2, 8), (4, 8), (6, 8), (8, 8), (0, 4)]
    assert len({step.digest for step in steps}) == 2


@pytest.mark.parametrize("stream", [False, True])
def test_a_model_that_cannot_be_pulled_stays_unknown(
    ollama_client: ollama.Client, simulator: Simulator, stream: bool
) -> None:
    simulator.configure(SimulatorSettings(models=("mine",), pullable=("other",)))
    with pytest.raises(ollama.ResponseError, match="file does not exist"):
        list(ollama_client.pull("typo", stream=stream))
    list(ollama_client.pull("other:latest", stream=stream))
    assert [model.model for model in ollama_client.list().models] == ["mine:latest", "other:latest"]


def test_a_tag_may_be_named_or_left_out(ollama_client: ollama.Client, simulator: Simulator) -> None:
    simulator.configure(SimulatorSettings(models=("mine", "yours:latest")))
    for name in ("mine", "mine:latest", "yours", "yours:latest"):
        assert ollama_client.generate(model=name, prompt="hello").response == "[simulated] hello"


@pytest.mark.usefixtures("simulator")
def test_a_pull_need_not_be_watched(ollama_client: ollama.Client) -> None:
    assert ollama_client.pull("other").status == "success"
    assert "other:latest" in [model.model for model in ollama_client.list().models]


@pytest.mark.usefixtures("simulator")
def test_a_model_is_loaded_by_use_and_leaves_when_it_is_told(ollama_client: ollama.Client) -> None:
    assert ollama_client.ps().models == []
    assert ollama_client.chat(model="m", messages=[]).done_reason == "load"
    assert [(model.model, model.context_length) for model in ollama_client.ps().models] == [("m:latest", 131_072)]
    assert ollama_client.generate(model="m", keep_alive=0).done_reason == "unload"
    assert ollama_client.ps().models == []


def test_a_model_says_what_it_can_do(ollama_client: ollama.Client, simulator: Simulator) -> None:
    simulator.configure(SimulatorSettings(context_length=777))
    shown = ollama_client.show("m")
    assert shown.modelinfo == {"general.architecture": "simulated", "simulated.context_length": 777}
    assert shown.capabilities == ["completion", "tools", "vision"]
    assert ollama_client.show("nomic-embed-text").capabilities == ["embedding"]


@pytest.mark.parametrize(("values", "status"), [({"errors": (500,)}, 500), ({"context_length": 3}, 400)])
def test_errors_come_as_the_clients_own(
    ollama_client: ollama.Client, simulator: Simulator, values: dict[str, Any], status: int
) -> None:
    simulator.configure(SimulatorSettings(**values))
    with pytest.raises(ollama.ResponseError, match=r"\[simulated\]") as raised:
        ollama_client.chat(model="m", messages=user("hello"))
    assert raised.value.status_code == status


def test_no_key_is_ever_asked_for(ollama_client: ollama.Client, simulator: Simulator) -> None:
    simulator.configure(SimulatorSettings.model_validate({"key": "something"}))
    assert ollama_client.chat(model="m", messages=user("hello")).message.content == "[simulated] hello"


@pytest.mark.usefixtures("simulator")
def test_the_server_says_that_it_is_simulated(http: httpx.Client) -> None:
    assert http.get("/api/version").json() == {"version": "0.0.0-simulated"}
    assert http.get("/").text == "[simulated] Ollama is running"
    assert {path: http.get(path).headers["x-simulated"] for path in ("/", "/api/tags", "/nowhere")} == {
        "/": "true",
        "/api/tags": "true",
        "/nowhere": "true",
    }
