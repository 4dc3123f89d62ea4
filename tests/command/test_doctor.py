"""What is there, what is missing, and how to get it."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from api.command import main
from api.command.checks import keys, places, programs, software, stores
from api.command.checks.finding import State
from api.command.exits import Exit
from api.command.ports import listen
from tests.http.server import free_port
from vera_orchestrator.settings import OrchestratorConfig
from vera_orchestrator.simulator.running import serving
from vera_orchestrator.simulator.settings import SimulatorSettings
from vera_orchestrator.simulator.simulator import Simulator

Doctor = Callable[..., tuple[int, str]]


@pytest.fixture
def doctor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Doctor:
    """The command on a machine that has nothing: no program on its path, no variable but those given."""
    for name in list(os.environ):
        monkeypatch.delenv(name)
    own = {
        "HOME": str(tmp_path),
        "PATH": str(tmp_path / "nothing"),
        "COLUMNS": "300",
        "DOCKER_HOST": f"unix://{tmp_path / 'no.sock'}",
        "VERA_OLLAMA_URL": f"http://127.0.0.1:{free_port()}",
    }

    def run(*arguments: str, **variables: str) -> tuple[int, str]:
        for name, value in (own | variables).items():
            monkeypatch.setenv(name, value)
        return main(["doctor", *arguments]), capsys.readouterr().out

    return run


def test_on_a_machine_with_nothing_every_line_says_what_to_do(doctor: Doctor, tmp_path: Path) -> None:
    code, output = doctor("--json")
    answer = json.loads(output)
    assert (code, answer["ok"]) == (Exit.OK, True), output
    missing = {one["name"]: one["remedy"] for one in answer["findings"] if one["state"] != "ok"}
    for name, remedy in {
        "Sandbox": "apt-get install bubblewrap",
        "Docker": "systemctl start docker",
        "Ollama": "ollama serve",
        "Provider keys": "OPENAI_API_KEY",
        "Server": "vera up",
    }.items():
        assert remedy in missing[name]
    assert all(one["words"] for one in answer["findings"])
    assert not (tmp_path / ".vera").exists(), "looking must leave nothing behind"


def test_it_is_readable_and_ends_with_1_where_something_must_be_mended(doctor: Doctor, tmp_path: Path) -> None:
    home = tmp_path / ".vera"
    home.mkdir(mode=0o755)
    code, output = doctor(VERA_DATABASE_URL="postgresql://me:secret@127.0.0.1:1/none")
    assert code == Exit.FAILED
    assert f"chmod 700 {home}" in output
    assert "PostgreSQL at 127.0.0.1:1/none cannot be used" in output
    assert "secret" not in output
    assert "2 to be mended" in output


def test_settings_that_do_not_fit_are_told_and_end_it(doctor: Doctor) -> None:
    code, output = doctor(VERA_ROUTING="luck")
    assert code == Exit.FAILED
    assert "routing" in output
    assert "VERA_ROUTING" in output


def test_versions_that_clash_are_told_with_the_command_that_mends_them() -> None:
    versions = {"fastapi": "0.151.2", "prefect": "3.9.0rc1"}
    found = {one.name: one for one in software.packages(lambda name: versions.get(name, "1"))}
    assert found["fastapi"].remedy == "Run: pip install 'fastapi<0.151'"
    assert found["prefect"].remedy == "Run: pip install 'prefect<3.9'"
    assert {found["fastapi"].state, found["prefect"].state} == {State.BROKEN}


def test_packages_that_are_not_there_are_named() -> None:
    def only_pydantic(name: str) -> str:
        if name == "pydantic":
            return "2.0"
        raise PackageNotFoundError(name)

    [found] = software.packages(only_pydantic)
    assert found.state is State.BROKEN
    assert "cyclopts" in found.words
    assert "pydantic," not in found.words


def test_an_old_python_is_told() -> None:
    assert software.python((3, 10, 4)).state is State.BROKEN
    assert software.python().state is State.OK


def test_a_port_that_is_taken_is_told_with_who_has_it(tmp_path: Path) -> None:
    with listen("127.0.0.1", 0) as listening:
        port = listening.getsockname()[1]
        found = {one.name: one for one in places.server(tmp_path, port)}
        assert found[f"Port {port}"].state is State.MISSING
        assert str(os.getpid()) in found[f"Port {port}"].words
    found = {one.name: one for one in places.server(tmp_path, port)}
    assert found[f"Port {port}"].state is State.OK


def test_a_file_in_the_state_folder_s_place_is_told(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    assert places.home(tmp_path / "home").state is State.BROKEN


async def test_a_journal_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "journal.db").write_text("no database at all")
    assert (await stores.journal(OrchestratorConfig(home=tmp_path))).state is State.BROKEN


async def test_a_postgresql_that_answers_is_named(postgres_url: str, tmp_path: Path) -> None:
    found = await stores.journal(OrchestratorConfig(home=tmp_path, database_url=postgres_url))
    assert (found.state, found.words.startswith("PostgreSQL ")) == (State.OK, True)


def test_keys_are_named_and_never_shown() -> None:
    found = keys.providers(OrchestratorConfig(), {"OPENAI_API_KEY": "sk-secret"})
    assert (found.state, "sk-secret" in found.words) == (State.OK, False)


def test_a_docker_that_answers_is_named_with_its_image(docker_host: str, tmp_path: Path) -> None:
    if not Path(docker_host.removeprefix("unix://")).exists():
        pytest.skip("Docker does not run: make services")
    found = asyncio.run(programs.docker(OrchestratorConfig(home=tmp_path)))
    assert (found.state, "vera-worker:latest is there" in found.words) == (State.OK, True)
    found = asyncio.run(programs.docker(OrchestratorConfig(home=tmp_path, docker_image="no-such-image:1")))
    assert (found.state, found.remedy) == (State.MISSING, "Get it with: docker pull no-such-image:1")


async def test_an_ollama_is_told_with_its_models(tmp_path: Path) -> None:
    with serving(Simulator(SimulatorSettings(models=("llama3.2",)))) as running:
        [found] = await programs.ollama(OrchestratorConfig(home=tmp_path, ollama_url=running.url))
    assert (found.state, "llama3.2" in found.words) == (State.OK, True)
