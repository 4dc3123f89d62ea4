"""Who counts as alive."""

from __future__ import annotations

import errno
import math
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support import settings, until
from vera_orchestrator.journal.base import Journal
from vera_orchestrator.journal.memory import MemoryJournal
from vera_orchestrator.runtime import ownership
from vera_orchestrator.runtime.ownership import AliveFile, Ownership


@pytest.fixture
async def journal() -> AsyncIterator[Journal]:
    """An open journal."""
    journal = MemoryJournal()
    await journal.open()
    yield journal
    await journal.close()


async def joined(journal: Journal, home: Path) -> Ownership:
    """Return an owner."""
    one = Ownership(journal, settings(home), seal="s", taken_over=lambda: None, lost=lambda: None)
    await one.join()
    return one


async def other(journal: Journal, alive_file: Path, lease: float) -> int:
    """Add an owner on this host whose lease runs for so long."""
    host = ownership.socket.gethostname()
    return await journal.join(host=host, pid=1, alive_file=str(alive_file), lease_seconds=lease)


async def look_after_a_lease(one: Ownership) -> None:
    """Let an owner look as one that has renewed its own lease in time for a whole lease."""
    one._steady_since = -math.inf  # pyright: ignore[reportPrivateUsage]
    await one.look()


async def numbers(journal: Journal) -> set[int]:
    """Return the owners there are."""
    return {owner.number for owner in await journal.owners()}


async def test_an_owner_that_lives_but_has_not_renewed_its_lease_counts_as_dead(
    journal: Journal, tmp_path: Path
) -> None:
    file = AliveFile(tmp_path)
    paused = await other(journal, file.path, lease=-100)
    one = await joined(journal, tmp_path)
    await look_after_a_lease(one)
    assert paused not in await numbers(journal)
    file.release()
    await one.leave()


async def test_who_could_not_renew_its_own_lease_does_not_bury_others_for_theirs(
    journal: Journal, tmp_path: Path
) -> None:
    silent = await other(journal, tmp_path / "in-another-container", lease=-1)
    one = await joined(journal, tmp_path)
    one._renewed -= 100  # pyright: ignore[reportPrivateUsage]  # as if the journal had been away
    await look_after_a_lease(one)
    assert silent in await numbers(journal)
    await one.leave()


async def test_a_dead_owner_is_known_by_its_file_before_its_lease_is_over(journal: Journal, tmp_path: Path) -> None:
    file = AliveFile(tmp_path)
    owner = await other(journal, file.path, lease=100)
    one = await joined(journal, tmp_path)
    assert owner in await numbers(journal)
    file.release(keep=True)
    await one.look()
    assert owner not in await numbers(journal)
    assert not file.path.exists()
    await one.leave()


async def test_where_there_is_no_such_file_the_lease_decides(journal: Journal, tmp_path: Path) -> None:
    living = await other(journal, tmp_path / "in-another-container", lease=100)
    dead = await other(journal, tmp_path / "in-a-third", lease=-1)
    one = await joined(journal, tmp_path)
    assert {living, dead} < await numbers(journal)  # perhaps the journal has just come back, for all of them
    await look_after_a_lease(one)
    assert living in await numbers(journal)
    assert dead not in await numbers(journal)
    await one.leave()


async def test_where_the_file_cannot_be_looked_at_the_lease_decides(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_many(_: str) -> bool:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(AliveFile, "is_locked", staticmethod(too_many))
    owner = await other(journal, tmp_path / "x", lease=100)
    one = await joined(journal, tmp_path)
    assert owner in await numbers(journal)
    await one.leave()


async def test_the_lease_is_renewed_after_a_round_that_failed(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = await joined(journal, tmp_path)
    real, calls = journal.renew, 0

    async def renew(owner: int, lease_seconds: float) -> bool:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return await real(owner, lease_seconds)

    monkeypatch.setattr(journal, "renew", renew)
    await until(lambda: calls >= 3)
    await one.leave()
    assert await numbers(journal) == set()
    assert list((tmp_path / "owners").iterdir()) == []
