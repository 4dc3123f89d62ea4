"""A SQLite journal whose disk is full, or whose file may not be written."""

from __future__ import annotations

import os
import resource
import shutil
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conformance.journal_rows import ending, row, task
from vera_orchestrator.errors import JournalUnavailable
from vera_orchestrator.journal.base import Journal
from vera_orchestrator.journal.factory import make_journal

NOBODY = 65_534


@contextmanager
def no_room(size: int) -> Generator[None]:
    """Let no file of this process grow beyond a size, in bytes; the system then refuses writes as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def unprivileged() -> Generator[None]:
    """Let this process be one that file modes apply to."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(before)


@pytest.fixture
def folder() -> Iterator[Path]:
    """Give a folder that any user can reach."""
    folder = Path(tempfile.mkdtemp(prefix="vera-journal-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def largest_in(folder: Path) -> int:
    """Return the size of the largest file, in bytes."""
    return max(path.stat().st_size for path in folder.iterdir())


def set_modes(folder: Path, of_folder: int, of_file: int) -> None:
    """Set the modes of the folder and of the journal in it."""
    (folder / "journal.db").chmod(of_file)
    folder.chmod(of_folder)


def journal_in(folder: Path) -> Journal:
    return make_journal(f"sqlite:///{folder}/journal.db")


async def test_a_disk_without_room_is_told_and_nothing_is_acknowledged_that_is_not_there(tmp_path: Path) -> None:
    journal = journal_in(tmp_path)
    await journal.open()
    await journal.add([task(1)])
    acknowledged: list[int] = [1]

    refused: list[str] = []
    with no_room(largest_in(tmp_path) + 100_000):
        for key in range(2, 60):
            try:
                await journal.add([task(key, spec="x" * 10_000)])
                acknowledged.append(key)
            except JournalUnavailable as error:
                refused.append(str(error))

    assert len(acknowledged) > 1
    assert refused
    for text in refused:
        assert text.startswith("Nothing was written: ")
        assert f"{tmp_path}/journal.db" in text
        assert "room on its disk" in text
    assert set(await journal.rows(range(60))) == set(acknowledged)

    assert await journal.ended(ending(1, result="y" * 200_000))  # works again
    await journal.close()
    await journal.open()
    assert set(await journal.rows(range(60))) == set(acknowledged)
    assert (await row(journal, 1)).result == "y" * 200_000
    await journal.close()


async def test_a_disk_that_fills_up_at_the_start_is_told(tmp_path: Path) -> None:
    journal = journal_in(tmp_path)

    with no_room(8_192), pytest.raises(JournalUnavailable, match=r"journal\.db.*room on its disk"):
        await journal.open()

    await journal.open()
    assert (await journal.add([task(1)])).existing is None
    await journal.close()


@pytest.mark.parametrize("which", ["file", "folder"])
async def test_a_journal_that_may_not_be_written_is_named(folder: Path, which: str) -> None:
    journal = journal_in(folder)
    await journal.open()
    await journal.add([task(1)])
    await journal.close()
    set_modes(folder, 0o755 if which == "file" else 0o555, 0o444 if which == "file" else 0o666)

    with (
        unprivileged(),
        pytest.raises(JournalUnavailable, match=rf"{folder}/journal\.db.*can be written.*database_url"),
    ):
        await journal.open()

    set_modes(folder, 0o755, 0o600)
    await journal.open()
    assert set(await journal.rows([1])) == {1}
    await journal.close()
