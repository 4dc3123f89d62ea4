"""Real services for all tests; `make services` starts them."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.distribution import pytest_collection_modifyitems, pytest_xdist_make_scheduler
from tests.garbage import pytest_collection
from tests.prefect_homes import prefect_tables
from tests.services import docker_service, postgres_service, redis_service
from tests.services.running import address_of, new_database, own_redis
from tests.services.skips import pytest_make_collect_report, pytest_runtest_makereport

__all__ = [  # pytest finds hooks and a fixture by these names here
    "prefect_tables",
    "pytest_collection",
    "pytest_collection_modifyitems",
    "pytest_make_collect_report",
    "pytest_runtest_makereport",
    "pytest_xdist_make_scheduler",
]

PROVIDER_VARIABLES = (
    *("OPENAI_API_KEY", "OPENAI_BASE_URL", "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL"),
    *("GEMINI_API_KEY", "GOOGLE_API_KEY", "GOOGLE_GEMINI_BASE_URL"),
)


@pytest.fixture(autouse=True)
def _no_keys_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep keys in the environment from becoming workers, which would reach a provider."""
    for name in PROVIDER_VARIABLES:
        monkeypatch.delenv(name, raising=False)


def _needed(title: str, address: str | None, variable: str) -> str:
    if address is None:
        pytest.skip(f"{title} does not run: make services (or set {variable})")
    return address


@pytest.fixture(scope="session")
def postgres_server() -> str:
    """The address of a PostgreSQL server where tests may make databases, for libpq."""
    return _needed("PostgreSQL", address_of("postgres", postgres_service.VARIABLE), postgres_service.VARIABLE)


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """The address of an empty PostgreSQL database of the test's own, in SQLAlchemy's form with psycopg."""
    with new_database(postgres_server) as url:
        yield url.replace("postgresql://", "postgresql+psycopg://", 1)


@pytest.fixture(scope="session")
def redis_server() -> str:
    """The address of a Redis server where tests may take databases: all but the first one."""
    return _needed("Redis", address_of("redis", redis_service.VARIABLE), redis_service.VARIABLE)


@pytest.fixture
def redis_url(redis_server: str) -> Iterator[str]:
    """The address of an empty Redis database of the test's own."""
    with own_redis(redis_server) as url:
        yield url


@pytest.fixture
def docker_host(monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of Docker, which DOCKER_HOST names for the length of the test; it need not answer."""
    address = address_of("docker", docker_service.VARIABLE)
    if address is not None:
        monkeypatch.setenv(docker_service.VARIABLE, address)
    return os.environ.get(docker_service.VARIABLE, f"{docker_service.UNIX}{docker_service.DEFAULT}")
