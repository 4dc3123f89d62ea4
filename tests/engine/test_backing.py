from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from tests.engine.test_server_settings import environment
from vera_orchestrator.engine.backing import Backing, for_asyncpg
from vera_orchestrator.engine.credentials import given_credentials, load_credentials
from vera_orchestrator.engine.server_settings import shared_settings
from vera_orchestrator.errors import InvalidValue
from vera_orchestrator.settings import OrchestratorConfig

DATABASE = "postgresql://vera:pass-w%40rd@db.internal:5433/prefect"
REDIS = "redis://:pass-w%40rd@cache.internal:6380/2"


def backing(**more: str) -> Backing:
    return Backing.of(OrchestratorConfig(prefect_database_url=DATABASE, **more))


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+asyncpg", "postgresql+psycopg"])
def test_a_postgresql_url_is_taken_with_any_driver(scheme: str) -> None:
    url = DATABASE.replace("postgresql", scheme)
    assert Backing.of(OrchestratorConfig(prefect_database_url=url)).database_url == (
        "postgresql+asyncpg://vera:pass-w%40rd@db.internal:5433/prefect"
    )


def test_options_of_libpq_that_asyncpg_calls_otherwise_are_translated() -> None:
    assert for_asyncpg("postgresql://h/d?sslmode=require&host=/run/pg") == (
        "postgresql+asyncpg://h/d?ssl=require&host=/run/pg"
    )


def test_its_text_names_places_and_no_accounts() -> None:
    assert str(backing(prefect_redis_url=REDIS)) == (
        "PostgreSQL at db.internal:5433/prefect and Redis at cache.internal:6380/2"
    )
    assert str(backing()) == "PostgreSQL at db.internal:5433/prefect"
    assert str(Backing()) == "SQLite"
    assert "pass-w" not in repr(backing(prefect_redis_url=REDIS))


def test_it_is_the_same_after_its_way_to_the_supervisor() -> None:
    one = backing(prefect_redis_url=REDIS, prefect_auth_string="me:secret")
    assert Backing.from_json(one.to_json()) == one


def test_the_journals_database_is_not_taken_for_prefects() -> None:
    config = OrchestratorConfig(database_url=DATABASE, prefect_database_url=None)
    assert Backing.of(config) == Backing()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("prefect_database_url", "sqlite:///pass-word.db"),
        ("prefect_database_url", "postgresql://"),
        ("prefect_database_url", "postgresql://me:pass-word@x@host/db"),
        ("prefect_database_url", "postgresql://me:pass-word?x@host/db"),
        ("prefect_database_url", "postgresql://me:pass-word[@host/db"),
        ("prefect_redis_url", "http://pass-word@host"),
        ("prefect_encryption_key", "pass-word"),
        ("prefect_auth_string", "pass-word"),
        ("prefect_auth_string", "me:pass-word with spaces"),
    ],
)
def test_a_wrong_setting_is_refused_without_being_shown(field: str, value: str) -> None:
    with pytest.raises(InvalidValue, match=field) as caught:
        OrchestratorConfig(**{"prefect_database_url": DATABASE, field: value})
    assert "pass-word" not in str(caught.value)


def test_redis_without_a_shared_database_is_refused() -> None:
    with pytest.raises(InvalidValue, match="prefect_database_url is not set"):
        OrchestratorConfig(prefect_redis_url=REDIS)


def test_a_server_on_its_own_keeps_everything_in_its_folder() -> None:
    assert shared_settings(Backing()) == {}
    assert environment({})["PREFECT_SERVER_DATABASE_CONNECTION_URL"] == "sqlite+aiosqlite:////state/prefect/prefect.db"


def test_servers_on_one_database_share_all_that_prefect_can_share() -> None:
    variables = environment({}, backing(prefect_redis_url=REDIS))
    assert variables["PREFECT_SERVER_DATABASE_CONNECTION_URL"].startswith("postgresql+asyncpg://")
    assert all("memory" not in value for value in variables.values())
    named = {name for name, value in variables.items() if value == REDIS}
    assert named == {
        "PREFECT_REDIS_MESSAGING_URL",
        "PREFECT_REDIS_WORKER_CLEANUP_QUEUE_URL",
        "PREFECT_SERVER_DOCKET_URL",
    }


def test_a_given_auth_string_is_what_clients_read_and_a_given_key_leaves_the_folders_own(tmp_path: Path) -> None:
    own = load_credentials(tmp_path)
    key = Fernet.generate_key().decode()
    given = given_credentials(tmp_path, auth_string="me:secret", encryption_key=key)
    assert (given.auth_string, given.encryption_key) == ("me:secret", key)
    after = load_credentials(tmp_path)
    assert (after.auth_string, after.encryption_key) == ("me:secret", own.encryption_key)
    assert {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {
        "auth": 0o600,
        "encryption-key": 0o600,
    }


def test_what_is_not_given_is_the_folders_own(tmp_path: Path) -> None:
    assert given_credentials(tmp_path, auth_string=None, encryption_key=None) == load_credentials(tmp_path)
