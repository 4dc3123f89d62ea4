"""A journal that is copied with PostgreSQL's own programs while it is in use goes on from the copy."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from tests.services.running import new_database
from tests.support import Gate, Scripted, orchestrator, soon
from vera_orchestrator.enums import TaskStatus
from vera_orchestrator.journal.base import first_key
from vera_orchestrator.journal.factory import make_journal
from vera_orchestrator.journal.records import HistoryQuery
from vera_orchestrator.models import Task

TASKS = 20
RUNNING = 5
KEY = SecretStr("k" * 43 + "=")
"""Whoever goes on needs the key of who began; the copy does not hold it."""


@pytest.fixture
def restored(postgres_server: str) -> Iterator[str]:
    """Give the URL of a second empty database."""
    with new_database(postgres_server) as url:
        yield url


def copy(source: str, target: str) -> None:
    """Dump one database and load it into another."""
    for program in ("pg_dump", "psql"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed: apt-get install postgresql-client")
    dump = subprocess.run(["pg_dump", source], check=True, capture_output=True).stdout
    load = ["psql", "--quiet", "--no-psqlrc", "--set", "ON_ERROR_STOP=1", target]
    subprocess.run(load, check=True, capture_output=True, input=dump)


async def test_a_restored_copy_goes_on_where_it_was_made(postgres_url: str, restored: str, tmp_path: Path) -> None:
    gate = Gate(slots=RUNNING)
    first = orchestrator(tmp_path / "first", gate, journal=make_journal(postgres_url), lease_seconds=0.5, seal_key=KEY)
    await first.start()
    ids = [
        str(await first.submit_task(Task(id=f"t{place}", type="custom", payload={"data": place})))
        for place in range(TASKS)
    ]
    for _ in range(RUNNING):
        await gate.next()
    copy(postgres_url.replace("+psycopg", ""), restored)
    gate.open()
    await first.stop()

    journal = make_journal(restored)
    worker = Scripted()
    second = orchestrator(tmp_path / "second", worker, journal=journal, lease_seconds=0.5, seal_key=KEY)
    await second.start()
    results = [await soon(second.wait_for(task_id)) for task_id in ids]
    later = await soon(second.submit_task(Task(id="later", type="custom", payload={"data": "later"}), wait=True))
    rows = journal.history(HistoryQuery(limit=1_000))
    (owner,) = [found.number for found in await journal.owners()]
    await second.stop()

    assert [result.data for result in results] == list(range(TASKS))
    assert getattr(later, "data", None) == "later"
    assert sorted(worker.ran) == sorted([*ids, "later"])
    assert {found.status for found in rows} == {TaskStatus.COMPLETED}
    assert len(rows) == TASKS + 1
    assert rows[0].id == "later"
    assert rows[0].key >= first_key(owner) > max(found.key for found in rows[1:])
