"""Nothing that was promised breaks, whatever is killed, paused, cut off or restarted."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest

from tests.faults.__main__ import Stations, run_plan, stations
from tests.faults.plan import Database
from tests.services.errors import ServiceFailed
from tests.services.postgres import binaries

pytestmark = pytest.mark.flaky(reruns=0)  # a promise that is broken once is broken


@pytest.fixture(scope="module")
def on_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Generator[Stations]:
    """Gives a SQLite file per run."""
    with stations(Database.SQLITE, tmp_path_factory.mktemp("sqlite")) as given:
        yield given


@pytest.fixture(scope="module")
def on_postgresql(tmp_path_factory: pytest.TempPathFactory) -> Generator[Stations]:
    """Gives a database per run, of a cluster that may be killed."""
    try:
        binaries()
    except ServiceFailed as error:
        pytest.skip(str(error))
    with stations(Database.POSTGRESQL, tmp_path_factory.mktemp("postgresql")) as given:
        yield given


def check(seed: int, database: Database, folder: Path, given: Stations, *, prefect: bool = False) -> None:
    verdict = run_plan(seed, database, folder, given, prefect=prefect)
    assert verdict.tasks > 0
    assert not verdict.violations, f"{verdict}\n" + "\n".join(verdict.violations)


# Few plans, that together hold most kinds of faults: on SQLite kill, long-pause and lock; on PostgreSQL kill, upgrade,
# long-pause, hang, deaf, cut and database-kill. The others, and all in other orders, are in the long variants.
def test_promises_hold_on_sqlite_with_two_orchestrators(tmp_path: Path, on_sqlite: Stations) -> None:
    check(2, Database.SQLITE, tmp_path, on_sqlite)


@pytest.mark.parametrize("seed", [59, 80])
def test_promises_hold_on_postgresql_with_three(seed: int, tmp_path: Path, on_postgresql: Stations) -> None:
    check(seed, Database.POSTGRESQL, tmp_path, on_postgresql)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(30))
def test_they_hold_in_thirty_plans_on_sqlite(seed: int, tmp_path: Path, on_sqlite: Stations) -> None:
    check(seed, Database.SQLITE, tmp_path, on_sqlite)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(100))
def test_they_hold_in_a_hundred_plans_on_postgresql(seed: int, tmp_path: Path, on_postgresql: Stations) -> None:
    check(seed, Database.POSTGRESQL, tmp_path, on_postgresql)


@pytest.mark.soak
@pytest.mark.parametrize("seed", [1, 8, 9, 13, 18])
def test_they_hold_with_prefect(seed: int, tmp_path: Path, on_sqlite: Stations) -> None:
    check(seed, Database.SQLITE, tmp_path, on_sqlite, prefect=True)
