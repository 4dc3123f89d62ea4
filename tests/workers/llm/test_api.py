"""What an LLM API worker is before it calls anybody."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from tests.workers.llm.conftest import KEY
from vera_orchestrator.enums import TaskType
from vera_orchestrator.errors import InvalidPayload, InvalidValue
from vera_orchestrator.models import Task, TaskRequirements
from vera_orchestrator.payloads import AnyPayload, LLMPayload, register_task_type
from vera_orchestrator.providers import KINDS
from vera_orchestrator.workers.llm import LLMAPIWorker
from vera_orchestrator.workers.llm.anthropic import AnthropicAdapter
from vera_orchestrator.workers.llm.anthropic_wire import DEFAULT_MAX_TOKENS, request_body, system_of
from vera_orchestrator.workers.llm.base import Access
from vera_orchestrator.workers.llm.calls import build_call, read_payload, with_system
from vera_orchestrator.workers.llm.forms import LLMCall
from vera_orchestrator.workers.llm.kinds import ADAPTERS, ADDRESSES
from vera_orchestrator.workers.llm.messages import read_messages
from vera_orchestrator.workers.llm.openai_wire import request_body as openai_body
from vera_orchestrator.workers.llm.usage import UsageCounter

URL = "http://127.0.0.1:9/v1"
HI = LLMCall(model="m", messages=read_messages([{"role": "user", "content": "hi"}]))


def test_the_same_credential_is_the_same_worker_and_a_second_key_a_second_one() -> None:
    first = LLMAPIWorker("openai", KEY, base_url=URL)
    assert first.worker_id.startswith("openai-")
    assert LLMAPIWorker("openai", SecretStr(KEY), base_url=URL + "/", cost_per_1k_tokens=1).worker_id == first.worker_id
    others = [
        LLMAPIWorker("openai", KEY + "x", base_url=URL),
        LLMAPIWorker("openai", KEY),
        LLMAPIWorker("anthropic", KEY, base_url=URL),
    ]
    assert len({first.worker_id, *(other.worker_id for other in others)}) == 4
    assert LLMAPIWorker("openai", KEY, worker_id="mine").worker_id == "mine"


def test_an_address_is_one_however_it_is_written() -> None:
    own = LLMAPIWorker("openai", KEY)
    for url in ("https://api.openai.com/v1", "HTTPS://API.openai.com/v1/", "https://api.openai.com:443/v1"):
        assert LLMAPIWorker("openai", KEY, base_url=url).credential == own.credential
    for kind, url in ADDRESSES.items():
        assert LLMAPIWorker(kind, KEY, base_url=url).credential == LLMAPIWorker(kind, KEY).credential
    paths = {LLMAPIWorker("openai", KEY, base_url=f"http://HOST:80/{path}").credential for path in ("v1", "V1")}
    assert len(paths) == 2
    assert LLMAPIWorker("openai", KEY, base_url="http://host/v1").credential in paths


def test_the_key_is_shown_nowhere() -> None:
    worker = LLMAPIWorker("openai", KEY, base_url=URL)
    shown = repr(worker) + str(worker) + repr(vars(worker)) + repr(worker.to_dict())
    assert KEY not in shown
    assert KEY[:8] not in shown


def test_the_wire_form_has_the_fields_that_clients_read() -> None:
    wire = LLMAPIWorker("openai", KEY, base_url=URL, rate_limit_per_minute=30, cost_per_1k_tokens=0.002).to_dict()
    assert wire["capabilities"] == ["background_cognition", "llm_inference", "openai_api"]
    assert wire["config"]["rate_limit_per_minute"] == 30
    own = {"api_type": "openai", "rate_limit_per_minute": 30, "available_tokens": None, "total_tokens_used": 0}
    own |= {"total_cost_usd": 0.0, "cost_per_1k_tokens": 0.002, "max_concurrent_tasks": 64}
    assert own.items() <= wire.items()


@pytest.mark.parametrize(
    ("field", "options"),
    [
        ("api_type", {"api_type": "cohere"}),
        ("api_key", {"api_key": ""}),
        ("api_key", {"api_key": "hunter2 \r\nX: y"}),
        ("base_url", {"base_url": "not an address"}),
        ("base_url", {"base_url": "http://me:hunter2@host"}),
        ("base_url", {"base_url": "http://host:99999"}),
        ("rate_limit_per_minute", {"rate_limit_per_minute": 0}),
        ("cost_per_1k_tokens", {"cost_per_1k_tokens": float("nan")}),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(field: str, options: dict[str, Any]) -> None:
    given_options: dict[str, Any] = {"api_type": "openai", "api_key": KEY, **options}
    with pytest.raises(InvalidValue) as caught:
        LLMAPIWorker(given_options.pop("api_type"), given_options.pop("api_key"), **given_options)
    assert caught.value.field == field
    assert "hunter2" not in str(caught.value)


def test_an_unknown_kind_names_the_known_ones() -> None:
    with pytest.raises(InvalidValue, match="openai, anthropic, gemini"):
        LLMAPIWorker("cohere", KEY)


def test_every_kind_that_settings_know_has_a_worker() -> None:
    assert {*KINDS} == {*ADAPTERS, "ollama"}
    assert ADDRESSES.keys() == ADAPTERS.keys()


def test_google_is_another_name_of_gemini() -> None:
    worker = LLMAPIWorker("google", KEY)
    assert worker.api_type == "gemini"
    assert "gemini_api" in worker.capabilities
    assert worker.worker_id == LLMAPIWorker("gemini", KEY).worker_id


def test_it_takes_what_it_can_do() -> None:
    worker = LLMAPIWorker("openai", KEY, base_url=URL)
    taken = {type_ for type_ in TaskType if worker.accepts(Task(type=type_))}
    assert taken == {TaskType.LLM_REQUEST, TaskType.BACKGROUND_COGNITION}
    assert worker.accepts(Task(requirements=TaskRequirements(worker_capabilities=["openai_api"])))
    assert not worker.accepts(Task(requirements=TaskRequirements(worker_capabilities=["anthropic_api"])))
    register_task_type("llm_test_summary", LLMPayload, capabilities=["llm_inference"])
    register_task_type("llm_test_picture", AnyPayload, capabilities=["pictures"])
    assert worker.accepts(Task(type="llm_test_summary"))
    assert not worker.accepts(Task(type="llm_test_picture"))


def test_a_dearer_provider_is_expected_to_cost_more() -> None:
    task = Task(type=TaskType.LLM_REQUEST, payload={"prompt": "x" * 4000, "max_tokens": 1000})
    cheap, dear = (LLMAPIWorker("openai", KEY, cost_per_1k_tokens=price) for price in (0.001, 0.01))
    assert 0.0015 < cheap.expected_cost(task) < 0.0025
    assert dear.expected_cost(task) == pytest.approx(10 * cheap.expected_cost(task))


def test_client_libraries_are_not_imported_before_they_are_used() -> None:
    program = (
        "import sys; from vera_orchestrator.workers.llm import LLMAPIWorker, OllamaWorker;"
        "LLMAPIWorker('openai', 'k'); OllamaWorker('http://127.0.0.1:9');"
        "print(sorted({'openai', 'anthropic', 'ollama', 'google.genai'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_message_without_a_role_is_named() -> None:
    task = Task(type=TaskType.LLM_REQUEST, payload={"messages": [{"role": "user", "content": "a"}, {"content": "b"}]})
    with pytest.raises(InvalidPayload, match=r"payload\.messages\.1\.role"):
        build_call(read_payload(task), "m")


def test_a_payload_without_input_is_refused() -> None:
    with pytest.raises(InvalidPayload):
        read_payload(Task(type=TaskType.LLM_REQUEST, payload={"model": "m"}))


def test_a_cognition_prompt_holds_every_field() -> None:
    payload = {"focus": "F1", "latest_conversation": "C1", "focus_board": {"ideas": ["I1"]}, "model": "m"}
    read = read_payload(Task(type=TaskType.BACKGROUND_COGNITION, payload=payload))
    assert all(part in (read.prompt or "") for part in ("F1", "C1", "I1"))
    assert read.model == "m"
    assert read.system
    assert read_payload(Task(type=TaskType.BACKGROUND_COGNITION)).prompt


TEXTS = st.text(st.characters(categories=["L"]), min_size=1, max_size=8)
MESSAGES = st.lists(st.fixed_dictionaries({"role": st.sampled_from(["system", "user"]), "content": TEXTS}), max_size=5)


@given(messages=MESSAGES, system=st.none() | TEXTS)
def test_no_text_is_lost_on_the_way_to_a_provider(messages: list[dict[str, str]], system: str | None) -> None:
    call = LLMCall(model="m", messages=read_messages(messages), system=system)
    expected = sorted([*(message["content"] for message in messages), *([] if system is None else [system])])
    assert sorted(message.text for message in with_system(call)) == expected
    body = request_body(call)
    systems = [text for text in str(body.get("system", "")).split("\n\n") if text]
    assert sorted([*systems, *(message["content"] for message in body["messages"])]) == expected
    assert all(message["role"] == "user" for message in body["messages"])


def test_system_blocks_are_kept_as_blocks() -> None:
    block = {"type": "text", "text": "b", "cache_control": {"type": "ephemeral"}}
    call = LLMCall(model="m", messages=read_messages([{"role": "system", "content": [block]}]), system="a")
    assert system_of(call) == [{"type": "text", "text": "a"}, block]


def test_the_limit_of_tokens_has_the_name_that_the_server_knows() -> None:
    call = LLMCall(model="m", messages=HI.messages, max_tokens=7)
    assert openai_body(call, own_address=True)["max_completion_tokens"] == 7
    assert openai_body(call, own_address=False)["max_tokens"] == 7
    assert "max_tokens" not in openai_body(HI, own_address=False)
    assert request_body(call)["max_tokens"] == 7
    assert request_body(HI)["max_tokens"] == DEFAULT_MAX_TOKENS


@pytest.mark.parametrize(("base_url", "refuses"), [(None, True), ("http://127.0.0.1:9", False)])
async def test_only_anthropic_itself_refuses_a_temperature(base_url: str | None, refuses: bool) -> None:
    adapter = AnthropicAdapter(Access(api_type="anthropic", api_key=SecretStr(KEY), base_url=base_url))
    assert adapter.refuses_temperature is refuses
    await adapter.close()


def test_usage_of_a_day_ends_at_midnight_and_totals_go_on() -> None:
    now = datetime(2026, 3, 1, 23, 59, tzinfo=UTC)
    usage = UsageCounter(clock=lambda: now)
    usage.add_request()
    usage.add_spending(100, Decimal("0.5"))
    usage.add_spending(None, None)
    assert (usage.requests_today, usage.tokens_today, usage.cost_today) == (1, 100, Decimal("0.5"))
    assert usage.last_request == now
    now += timedelta(minutes=1)
    assert (usage.requests_today, usage.tokens_today, usage.cost_today) == (0, 0, 0)
    assert (usage.total_tokens, usage.total_cost) == (100, Decimal("0.5"))


def test_a_worker_goes_on_with_the_usage_of_an_earlier_one() -> None:
    earlier = LLMAPIWorker("openai", KEY, base_url=URL)
    earlier.usage.add_spending(5, Decimal("0.1"))
    assert LLMAPIWorker("openai", KEY, base_url=URL, usage=earlier.usage).to_dict()["total_tokens_used"] == 5
