"""State folders whose Prefect server starts in half the time: the tables of its database are there already."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from vera_orchestrator.engine.locks import FileLock
from vera_orchestrator.engine.server_folder import ServerFolder


@pytest.fixture(scope="session")
def prefect_tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite database with Prefect's tables and nothing in them, made once for all processes of a test run."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    database = folder / "prefect-tables.db"
    making = FileLock.exclusive(folder / "prefect-tables.lock")
    try:
        if not database.exists():
            _make(database, folder / "prefect-tables")
    finally:
        making.release()
    return database


def with_tables(home: Path, tables: Path) -> Path:
    """Make a state folder whose server finds its tables; return it."""
    home.mkdir(parents=True, exist_ok=True)
    database = ServerFolder.of(home).database
    database.touch(mode=0o600)
    shutil.copyfile(tables, database)
    return home


def _make(database: Path, work: Path) -> None:
    work.mkdir(exist_ok=True)
    draft = work / database.name
    draft.unlink(missing_ok=True)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    environment |= {
        "PREFECT_HOME": str(work),
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{draft}",
    }
    subprocess.run(
        [sys.executable, "-m", "prefect", "server", "database", "upgrade", "--yes"],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=True,
    )
    assert not draft.with_name(f"{draft.name}-wal").exists()
    draft.rename(database)
