"""One simulator and one crew for the tests of a file."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.limits.books import Books, books_of
from tests.limits.crew import Crew
from tests.limits.provider import Door, Provider
from vera_orchestrator.simulator.running import serving
from vera_orchestrator.simulator.simulator import Simulator


@pytest.fixture(scope="package")
def _served() -> Iterator[Provider]:
    door = Door()
    with serving(Simulator(sleep=door)) as running:
        yield Provider(running, door)


@pytest.fixture
def provider(_served: Provider) -> Iterator[Provider]:
    """The provider, whose door is closed."""
    _served.reset()
    yield _served
    _served.open()


@pytest.fixture(scope="package")
def _hired() -> Iterator[Crew]:
    crew = Crew()
    yield crew
    crew.dismiss()


@pytest.fixture
def crew(_hired: Crew, provider: Provider, postgres_url: str) -> Iterator[Crew]:
    """The processes; they stop before their journal and the provider do."""
    del postgres_url
    yield _hired
    provider.open()
    _hired.stop()


@pytest.fixture
def books(postgres_url: str) -> Iterator[Books]:
    """The ledger of the test's journal."""
    with books_of(postgres_url) as books:
        yield books
