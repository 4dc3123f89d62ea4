"""What tests get from the services that run, and what happens where nothing may be skipped."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from redis import Redis

from tests.services.running import new_database, own_redis

ROOT = Path(__file__).parents[2]
SKIPPED = """
import pytest
def test_skipped(): pytest.skip("there is no database")
@pytest.mark.xfail(strict=True)
def test_expected_to_fail(): assert False
"""
SKIPPED_FILE = "import pytest\npytest.skip('there is no server', allow_module_level=True)\n"


def test_each_database_is_new_and_none_is_left(postgres_server: str) -> None:
    with new_database(postgres_server) as one, new_database(postgres_server) as two:
        with psycopg.connect(one) as connection:
            connection.execute("create table only_here ()")
        with psycopg.connect(two, autocommit=True) as connection:
            assert connection.execute("select to_regclass('only_here')").fetchone() == (None,)
        left_open = psycopg.connect(two)
    names = [url.rpartition("/")[2] for url in (one, two)]
    with psycopg.connect(postgres_server) as connection:
        found = connection.execute("select 1 from pg_database where datname = any(%s)", [names])
        assert found.fetchall() == []
    left_open.close()


def test_the_address_of_a_database_is_for_sqlalchemy(postgres_url: str) -> None:
    assert postgres_url.startswith("postgresql+psycopg://")


def test_each_redis_database_is_empty_and_nobody_elses(redis_server: str, redis_url: str) -> None:
    with own_redis(redis_server) as one, own_redis(redis_server) as two:
        assert len({redis_url, one, two}) == 3
        with Redis.from_url(one) as client:  # pyright: ignore[reportUnknownMemberType]
            client.set("key", "value")  # pyright: ignore[reportUnknownMemberType]
        with Redis.from_url(two) as client:  # pyright: ignore[reportUnknownMemberType]
            assert client.get("key") is None  # pyright: ignore[reportUnknownMemberType]
    with Redis.from_url(one) as client:  # pyright: ignore[reportUnknownMemberType]
        assert client.dbsize() == 0  # pyright: ignore[reportUnknownMemberType]


@pytest.mark.parametrize(
    ("ci", "code", "outcome"),
    [("", 0, "1 passed, 2 skipped, 1 xfailed"), ("true", 1, "1 failed, 1 passed, 1 xfailed, 1 error")],
)
def test_where_ci_is_set_a_skip_is_a_failure(tmp_path: Path, ci: str, code: int, outcome: str) -> None:
    (tmp_path / "test_one.py").write_text(SKIPPED)
    (tmp_path / "test_two.py").write_text(SKIPPED_FILE)
    (tmp_path / "test_three.py").write_text("def test_it(): pass\n")
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    options = ["-p", "tests.services.skips", "-p", "no:cacheprovider", "--continue-on-collection-errors"]
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", *options, str(tmp_path)],
        cwd=tmp_path,
        env={**os.environ, "CI": ci, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome in ended.stdout, ended.stdout
    assert ended.returncode == code
    assert not ci or ("there is no database" in ended.stdout and "there is no server" in ended.stdout)
