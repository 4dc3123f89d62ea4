from __future__ import annotations

from pathlib import Path

from vera_orchestrator.engine.backing import Backing
from vera_orchestrator.engine.credentials import Credentials
from vera_orchestrator.engine.server_folder import ServerFolder, ServerState
from vera_orchestrator.engine.server_settings import client_settings, server_environment


def environment(inherited: dict[str, str], backing: Backing | None = None) -> dict[str, str]:
    return server_environment(
        inherited,
        folder=ServerFolder(Path("/state/prefect")),
        state=ServerState(port=4_321),
        credentials=Credentials(auth_string="vera:x", encryption_key="k"),
        retention_days=3,
        backing=backing or Backing(),
    )


def test_the_server_gets_none_of_its_starters_settings_and_keys() -> None:
    names = {"PREFECT_API_KEY", "PREFECT_PROFILE", "OPENAI_API_KEY", "VERA_API_KEY", "ORION_ENCRYPTION_KEY"}
    assert not names & environment(dict.fromkeys(names, "theirs")).keys()


def test_the_server_gets_what_programs_need() -> None:
    assert environment({"PATH": "/bin", "HOME": "/root"}).items() >= {"PATH": "/bin", "HOME": "/root"}.items()


def test_a_client_finds_the_server_and_starts_none_itself() -> None:
    settings = client_settings(api_url="http://127.0.0.1:4321/api", auth_string="vera:x")
    assert settings["PREFECT_API_URL"] == "http://127.0.0.1:4321/api"
    assert settings["PREFECT_API_AUTH_STRING"] == "vera:x"
    assert settings["PREFECT_SERVER_EPHEMERAL_ENABLED"] == "false"


def test_the_event_queue_of_a_client_is_bounded() -> None:
    settings = client_settings(api_url="http://127.0.0.1:4321/api", auth_string="vera:x")
    assert int(settings["PREFECT_EVENTS_WORKER_MAX_QUEUE_SIZE"]) > 0


def test_a_state_outlives_its_writer_and_an_unreadable_one_is_none(tmp_path: Path) -> None:
    folder = ServerFolder.of(tmp_path)
    assert folder.read_state() is None
    folder.write_state(ServerState(port=1, supervisor_pid=2, server_pid=3))
    assert folder.read_state() == ServerState(port=1, supervisor_pid=2, server_pid=3)
    folder.state.write_text('{"port":')
    assert folder.read_state() is None
    folder.state.write_text('{"elsewhere": 1}')
    assert folder.read_state() is None
