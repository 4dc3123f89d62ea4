"""Which models a worker offers for a task, without asking anybody."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tests.workers.llm.conftest import KEY
from vera_orchestrator.enums import TaskType
from vera_orchestrator.models import Task
from vera_orchestrator.pricing import ModelPrice
from vera_orchestrator.workers.llm import LLMAPIWorker
from vera_orchestrator.workers.llm.base import ListedModel
from vera_orchestrator.workers.llm.options import LLMOptions

URL = "http://127.0.0.1:9"
ONE = ModelPrice.per_thousand(1)


class KnownWorker(LLMAPIWorker):
    """A worker whose provider's list has come; it is never connected to."""

    def __init__(self, api_type: str, *listed: str, **options: Any) -> None:
        super().__init__(api_type, KEY, **options)
        self.models = [ListedModel(name=name) for name in listed]
        _, self._costs = self._connected()


def ask(model: str | None, **payload: Any) -> Task:
    named = {} if model is None else {"model": model}
    return Task(type=TaskType.LLM_REQUEST, payload={"prompt": "hi", **named, **payload})


def offered(worker: LLMAPIWorker, model: str | None, **payload: Any) -> list[tuple[str | None, int, bool]]:
    return [(one.model, one.position, one.certain) for one in worker.offers(ask(model, **payload))]


@pytest.mark.parametrize(
    ("api_type", "listed", "asked"),
    [
        ("anthropic", "claude-haiku-4-5-20251001", "claude-haiku-4-5"),
        ("anthropic", "claude-haiku-4-5-20251001", "claude-haiku-4-5-20251001"),
        ("anthropic", "claude-3-5-haiku-20241022", "claude-3-5-haiku-latest"),
        ("openai", "gpt-4o-2024-08-06", "gpt-4o"),
        ("gemini", "gemini-2.5-flash", "models/gemini-2.5-flash"),
        ("openai", "llama3:latest", "llama3"),
        ("openai", "meta-llama/Llama-3", "meta-llama/Llama-3"),
    ],
)
def test_a_listed_model_is_surely_there_under_its_usual_names(api_type: str, listed: str, asked: str) -> None:
    assert offered(KnownWorker(api_type, listed), asked) == [(asked, 0, True)]


def test_the_provider_itself_surely_lacks_what_its_list_lacks() -> None:
    worker = KnownWorker("openai", "gpt-4o")
    assert offered(worker, "gpt-9-imaginary") == []
    assert not worker.accepts(ask("gpt-9-imaginary"))


def test_a_server_of_ones_own_may_have_what_it_does_not_list() -> None:
    assert offered(KnownWorker("openai", "one", base_url=URL), "other") == [("other", 0, False)]
    assert offered(KnownWorker("openai", base_url=URL), "other") == [("other", 0, False)]
    assert offered(KnownWorker("openai", base_url=URL, models=["other"]), "other") == [("other", 0, True)]


def test_a_model_that_only_others_sell_is_not_offered_unless_it_is_listed() -> None:
    assert offered(KnownWorker("openai", base_url=URL), "claude-sonnet-4-5") == []
    assert offered(KnownWorker("anthropic", base_url=URL), "gpt-4o") == []
    gateway = KnownWorker("openai", "claude-sonnet-4-5", base_url=URL)
    assert offered(gateway, "claude-sonnet-4-5") == [("claude-sonnet-4-5", 0, True)]


def test_a_model_may_be_named_with_its_kind_or_worker() -> None:
    worker = KnownWorker("openai", "gpt-4o", worker_id="mine")
    assert offered(worker, "openai/gpt-4o") == offered(worker, "mine/gpt-4o") == [("gpt-4o", 0, True)]
    for other in ("anthropic/gpt-4o", "google/gpt-4o", "ollama/gpt-4o", "openai-0123456789/gpt-4o", "yours/gpt-4o"):
        assert offered(worker, other) == []
    assert offered(KnownWorker("gemini", "g"), "google/g") == [("g", 0, True)]
    gateway = KnownWorker("openai", "openai/gpt-4o", base_url=URL)
    assert offered(gateway, "openai/gpt-4o") == [("openai/gpt-4o", 0, True)]


def test_a_class_of_models_offers_what_the_worker_has_of_its_chain() -> None:
    chain = ["gpt-4o-mini", "anthropic/claude-haiku-4-5", "gpt-4o", "ollama/llama3.2"]
    options = LLMOptions(model_classes={"fast": chain})
    worker = KnownWorker("openai", "gpt-4o", "gpt-4o-mini", options=options)
    assert offered(worker, "fast") == [("gpt-4o-mini", 0, True), ("gpt-4o", 2, True)]
    other = KnownWorker("anthropic", "claude-haiku-4-5-20251001", options=options)
    assert offered(other, "fast") == [("claude-haiku-4-5", 1, True)]
    assert offered(KnownWorker("gemini", "gemini-2.5-flash", options=options), "fast") == []


def test_without_a_name_the_default_is_offered() -> None:
    assert offered(KnownWorker("openai", "gpt-4o", default_model="gpt-4o"), None) == [("gpt-4o", 0, True)]
    assert offered(KnownWorker("openai", default_model="gpt-4o", base_url=URL), None) == [("gpt-4o", 0, False)]
    assert offered(KnownWorker("openai", "only", base_url=URL), None) == [("only", 0, True)]
    # the attempt will say which there are
    assert offered(KnownWorker("openai", "one", "two"), None) == [(None, 0, False)]


def test_a_default_that_chats_makes_no_embeddings() -> None:
    worker = KnownWorker("openai", "gpt-4o", default_model="gpt-4o")
    assert offered(worker, None, kind="embedding", input="x") == [(None, 0, False)]


def test_nothing_is_offered_for_tasks_of_other_types() -> None:
    worker = KnownWorker("openai", "gpt-4o")
    assert list(worker.offers(Task(type=TaskType.CODE_EXECUTION, payload={"code": "1"}))) == []


def test_an_offer_costs_about_what_the_call_will() -> None:
    worker = KnownWorker("openai", "gpt-4o", "gpt-4o-mini")
    # 1,000 tokens at 2.50 and 500 at 10 a million
    (dear,) = worker.offers(ask("gpt-4o", prompt="x" * 4_000))
    (cheap,) = worker.offers(ask("gpt-4o-mini", prompt="x" * 4_000))
    assert dear.expected_cost == pytest.approx(0.0075)
    assert cheap.expected_cost == pytest.approx(0.00045)
    assert worker.expected_cost(ask("gpt-4o", prompt="x" * 4_000)) == dear.expected_cost
    messages = [{"role": "user", "content": [{"type": "text", "text": "x" * 4_000}]}]
    (other,) = worker.offers(ask("gpt-4o", prompt="", messages=messages, max_tokens=500))
    assert other.expected_cost == dear.expected_cost


def test_an_offer_whose_price_nobody_knows_is_the_dearest() -> None:
    (unknown,) = KnownWorker("openai", base_url=URL).offers(ask("m"))
    assert unknown.expected_cost == math.inf
    (known,) = KnownWorker("openai", base_url=URL, prices={"m": ONE}).offers(ask("m"))
    assert known.expected_cost == pytest.approx(0.5)
    common = LLMOptions(prices={"m": ONE})
    (by_settings,) = KnownWorker("openai", base_url=URL, options=common).offers(ask("m"))
    assert by_settings == known
    (free,) = KnownWorker("openai", base_url=URL, cost_per_1k_tokens=0.0).offers(ask("m"))
    assert free.expected_cost == math.inf  # 0.0 is no price
