"""Blocks as values: what they make, and what they show."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from blocks import LLMProvider, OllamaHost
from blocks.llm_provider import provider_of
from tests.blocks.kept import KEY, provider
from tests.support import settings
from vera_orchestrator.errors import InvalidValue
from vera_orchestrator.models import APIQuota
from vera_orchestrator.pricing import ModelPrice

URL = "http://127.0.0.1:9"


def test_a_key_becomes_a_worker_with_its_limits(tmp_path: Path) -> None:
    quota = APIQuota(requests_per_day=5, cost_limit_per_day=0.5)
    given = provider(URL, worker_id="mine", default_model="m", rate_limit_per_minute=7, quota=quota)
    worker = given.worker(settings(tmp_path))
    assert (worker.worker_id, worker.api_type, worker.default_model) == ("mine", "anthropic", "m")
    assert (worker.rate_limit_per_minute, worker.quota) == (7, quota)


def test_several_keys_for_one_provider_are_several_workers(tmp_path: Path) -> None:
    config = settings(tmp_path)
    ids = {provider(URL, key).worker(config).worker_id for key in (KEY, KEY + "x", KEY)}
    assert len(ids) == 2


def test_the_usual_model_is_for_the_providers_own_address_unless_it_was_set_on_purpose(tmp_path: Path) -> None:
    own = LLMProvider(kind="anthropic", api_key=KEY)  # type: ignore[arg-type]
    usual, on_purpose = settings(tmp_path), settings(tmp_path, default_anthropic_model="mine")
    assert own.worker(usual).default_model == usual.default_anthropic_model
    assert provider(URL).worker(usual).default_model is None
    assert provider(URL).worker(on_purpose).default_model == "mine"


def test_a_host_becomes_a_worker_with_its_slots_and_model(tmp_path: Path) -> None:
    config = settings(tmp_path, default_ollama_model="usual")
    worker = OllamaHost(url=URL, max_concurrent_tasks=2).worker(config)
    assert (worker.ollama_url, worker.default_model, worker.config.max_concurrent_tasks) == (URL, "usual", 2)
    assert OllamaHost(url=URL, default_model="own").worker(config).default_model == "own"


def test_values_survive_the_way_through_json() -> None:
    given = provider(URL, prices={"m": {"input": "0.1", "output": 2}}, quota=APIQuota(tokens_per_day=9), models=["m"])
    read = LLMProvider.model_validate_json(given.model_dump_json(context={"include_secrets": True}))
    assert (read.api_key, read.quota, read.models) == (given.api_key, given.quota, given.models)
    assert read.prices == given.prices == {"m": ModelPrice(input=Decimal("0.1"), output=Decimal(2))}


def test_a_key_is_never_shown() -> None:
    given = provider(URL)
    assert KEY not in f"{given!r} {given} {given.model_dump()} {given.model_dump_json()}"


@pytest.mark.parametrize(
    ("field", "value"),
    [("api_key", 5_551_234), ("rate_limit_per_minute", "many"), ("base_url", 5), ("quota", {"requests_per_day": "x"})],
)
def test_a_value_of_the_wrong_type_is_refused_by_name_and_not_repeated(field: str, value: object) -> None:
    values = {"kind": "openai", "api_key": KEY, field: value}
    with pytest.raises(InvalidValue) as caught:
        provider_of(**values)
    assert str(caught.value.field).startswith(field)
    assert KEY not in str(caught.value)
    assert "5551234" not in str(caught.value)


def test_the_address_of_a_host_holds_no_password() -> None:
    with pytest.raises(ValueError, match="url") as caught:
        OllamaHost(url="http://me:hunter2@gpu:11434")
    assert "hunter2" not in str(caught.value)
