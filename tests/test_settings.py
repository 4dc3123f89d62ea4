"""Settings, as arguments and from the environment."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from vera_orchestrator.errors import InvalidValue
from vera_orchestrator.settings import OrchestratorConfig, PrefectMode, listing


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in OrchestratorConfig.model_fields:
        monkeypatch.delenv(f"VERA_{name.upper()}", raising=False)


def test_the_defaults_that_the_specification_names() -> None:
    config = OrchestratorConfig()
    assert (config.max_concurrent_tasks, config.enable_auto_scaling, config.docker_pool_size) == (10, True, 3)
    assert (config.docker_image, config.ollama_url) == ("vera-worker:latest", "http://localhost:11434")
    assert (config.health_check_interval, config.task_timeout_seconds) == (30, 300)


def test_an_argument_wins_over_the_environment_and_that_over_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VERA_MAX_CONCURRENT_TASKS", "7")
    assert OrchestratorConfig().max_concurrent_tasks == 7
    assert OrchestratorConfig(max_concurrent_tasks=9).max_concurrent_tasks == 9


def test_every_field_says_what_it_is_for() -> None:
    assert all(field.description for field in OrchestratorConfig.model_fields.values())


@pytest.mark.parametrize(
    ("name", "value"),
    [("max_concurrent_tasks", 0), ("age_step_seconds", 0), ("prefect", "maybe"), ("max_result_bytes", 1)],
)
def test_a_value_out_of_range_is_named_with_where_to_set_it(name: str, value: object) -> None:
    with pytest.raises(InvalidValue, match=f"{name}: .*VERA_{name.upper()}"):
        OrchestratorConfig(**{name: value})


def test_an_unknown_setting_is_refused() -> None:
    with pytest.raises(InvalidValue, match="no_such_setting"):
        OrchestratorConfig(no_such_setting=1)


def test_settings_do_not_change() -> None:
    with pytest.raises(ValidationError):
        OrchestratorConfig().max_concurrent_tasks = 3


def test_the_journal_is_in_the_state_folder_unless_an_address_is_given(tmp_path: Path) -> None:
    assert OrchestratorConfig(home=tmp_path).journal_url == f"sqlite:///{tmp_path}/journal.db"
    assert OrchestratorConfig(home=tmp_path, database_url="memory://").journal_url == "memory://"


def test_the_address_of_the_journal_is_not_shown() -> None:
    config = OrchestratorConfig(database_url="postgresql://user:pass-word@host/db")
    assert "pass-word" not in repr(config)
    assert config.journal_url == "postgresql://user:pass-word@host/db"


def test_the_workspace_of_tools_is_never_inside_the_state_folder(tmp_path: Path) -> None:
    assert OrchestratorConfig(home=tmp_path / "state").workspace == tmp_path / "state-workspace"
    assert OrchestratorConfig(home=tmp_path, tools_root=tmp_path / "work").workspace == tmp_path / "work"


def test_paths_are_absolute_and_know_the_users_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert OrchestratorConfig().home == tmp_path / ".vera"
    assert OrchestratorConfig(home=Path("here")).home == tmp_path / "here"


def test_a_list_may_be_given_with_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VERA_HTTP_ALLOW", "localhost:80, 10.0.0.1:8080,")
    assert OrchestratorConfig().http_allow == ["localhost:80", "10.0.0.1:8080"]
    assert OrchestratorConfig(http_allow=["a:1"]).http_allow == ["a:1"]


def test_prefect_may_be_switched_off_by_name() -> None:
    assert OrchestratorConfig(prefect="off").prefect is PrefectMode.OFF


def test_the_listing_names_every_field_with_its_variable_its_default_and_its_purpose() -> None:
    lines = listing().splitlines()
    assert len(lines) == 2 * len(OrchestratorConfig.model_fields)
    at = lines.index("max_concurrent_tasks (VERA_MAX_CONCURRENT_TASKS) = 10")
    assert lines[at + 1] == "    Tasks that this orchestrator runs at a time."
    assert "http_allow (VERA_HTTP_ALLOW) = none" in lines
    assert "prefect (VERA_PREFECT) = auto" in lines


def test_the_listing_is_a_command_and_shows_no_secret_of_the_environment() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "vera_orchestrator.settings"],
        env={**os.environ, "VERA_API_KEY": "very-secret"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"{listing()}\n"
    assert "very-secret" not in done.stdout


def test_limits_of_a_provider_hold_under_its_other_name() -> None:
    config = OrchestratorConfig(llm_provider_limits={"google": {"requests_per_day": 1}})  # type: ignore[dict-item]
    assert list(config.llm_provider_limits) == ["gemini"]


@pytest.mark.parametrize("names", [["opnai"], ["google", "gemini"]])
def test_limits_that_would_never_hold_are_refused(names: list[str]) -> None:
    with pytest.raises(InvalidValue, match="llm_provider_limits"):
        OrchestratorConfig(llm_provider_limits={name: {"requests_per_day": 1} for name in names})  # type: ignore[misc]


@pytest.mark.parametrize("field", ["ollama_url", "ollama_hosts"])
def test_the_address_of_ollama_holds_no_password(field: str) -> None:
    address = "http://me:hunter2@gpu:11434"
    with pytest.raises(InvalidValue, match=field) as caught:
        OrchestratorConfig(**{field: address})
    assert "hunter2" not in str(caught.value)


def test_what_is_not_json_where_json_is_needed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VERA_LLM_LIMITS", "five dollars")
    with pytest.raises(InvalidValue, match=r"llm_limits: It is not JSON\. Write VERA_LLM_LIMITS as JSON"):
        OrchestratorConfig()


def test_a_part_of_a_setting_is_named_with_the_variable_that_it_is_in() -> None:
    with pytest.raises(InvalidValue, match=r"llm_limits\..*Set it as an argument or as VERA_LLM_LIMITS\."):
        OrchestratorConfig(llm_limits={"tokens_per_day": "many"})
