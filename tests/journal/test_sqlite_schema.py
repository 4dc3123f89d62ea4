"""How a SQLite file is opened: its schema, its version, and files that are no journal."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

from tests.conformance.journal_rows import task
from vera_orchestrator.errors import JournalUnavailable
from vera_orchestrator.journal import migrations
from vera_orchestrator.journal.base import Journal
from vera_orchestrator.journal.factory import make_journal
from vera_orchestrator.journal.schema import HEAD, metadata


def journal_at(path: Path) -> Journal:
    return make_journal(f"sqlite:///{path}")


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def schema_of(path: Path) -> dict[str, object]:
    """Return the columns of tables and the statements that made indexes, by name."""
    connection = sqlite3.connect(path)
    rows = connection.execute(
        "SELECT type, name, sql FROM sqlite_master WHERE name != 'alembic_version' AND sql NOT NULL"
    ).fetchall()
    found: dict[str, object] = {
        name: [column[1:] for column in connection.execute(f"PRAGMA table_info({name})")]
        if kind == "table"
        else " ".join(sql.split())
        for kind, name, sql in rows
    }
    connection.close()
    return found


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    """Give the path of a journal that holds one task and is closed."""
    file = tmp_path / "journal.db"
    journal = journal_at(file)
    await journal.open()
    await journal.add([task(1)])
    await journal.close()
    return file


def test_the_migrations_make_the_tables_that_the_code_uses(path: Path, tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path}/plain.db")
    metadata.create_all(engine)
    engine.dispose()

    assert schema_of(path) == schema_of(tmp_path / "plain.db")


def test_the_newest_migration_is_the_one_the_code_names() -> None:
    assert migrations.__file__ is not None
    assert ScriptDirectory(Path(migrations.__file__).parent).get_current_head() == HEAD


def test_a_file_that_is_up_to_date_is_opened_without_alembic(path: Path) -> None:
    program = (
        "import asyncio, sys\n"
        "from vera_orchestrator.journal.factory import make_journal\n"
        f"asyncio.run(make_journal('sqlite:///{path}').open())\n"
        "assert 'alembic' not in sys.modules\n"
    )

    assert subprocess.run([sys.executable, "-c", program], cwd=Path(__file__).parents[2], check=False).returncode == 0


async def test_a_newer_schema_is_refused_and_left_alone(path: Path) -> None:
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    before = schema_of(path)

    with pytest.raises(JournalUnavailable, match=r"9999.*Install the version"):
        await journal_at(path).open()

    assert schema_of(path) == before


async def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "letter.txt"
    file.write_text("Dear journal, " * 100)

    with pytest.raises(JournalUnavailable, match=r"not a database.*letter\.txt.*database_url"):
        await journal_at(file).open()

    assert file.read_text() == "Dear journal, " * 100


async def test_a_folder_in_the_place_of_the_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(JournalUnavailable, match=str(tmp_path)):
        await journal_at(tmp_path).open()


async def test_a_folder_that_is_missing_with_its_parent_is_named(tmp_path: Path) -> None:
    with pytest.raises(JournalUnavailable, match=r"missing/state/journal\.db cannot be opened.*database_url"):
        await journal_at(tmp_path / "missing" / "state" / "journal.db").open()

    assert names_in(tmp_path) == []


async def test_a_journal_that_could_not_be_opened_can_be_once_the_cause_is_gone(tmp_path: Path) -> None:
    journal = journal_at(tmp_path / "state" / "sub" / "journal.db")
    with pytest.raises(JournalUnavailable):
        await journal.open()

    (tmp_path / "state").mkdir()
    await journal.open()

    assert await journal.task("t1") is None
    await journal.close()
