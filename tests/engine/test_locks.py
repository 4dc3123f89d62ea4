from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from vera_orchestrator.engine.locks import FileLock, hold_shared, is_held


def test_an_exclusive_hold_is_seen_and_keeps_others_out(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert not is_held(path)
    hold = FileLock.exclusive(path)
    assert is_held(path)
    assert FileLock.try_shared(path) is None
    hold.release()
    assert not is_held(path)


def test_shared_holds_go_together(tmp_path: Path) -> None:
    first = FileLock.shared(tmp_path / "lock")
    second = FileLock.try_shared(tmp_path / "lock")
    assert second is not None
    assert not is_held(tmp_path / "lock")
    first.release()
    second.release()


def test_releasing_twice_does_no_harm(tmp_path: Path) -> None:
    first = FileLock.exclusive(tmp_path / "lock")
    first.release()
    second = FileLock.exclusive(tmp_path / "lock")
    first.release()
    assert is_held(tmp_path / "lock")
    second.release()


def test_a_forked_child_keeps_no_hold(tmp_path: Path) -> None:
    hold = FileLock.exclusive(tmp_path / "lock")
    read_end, write_end = os.pipe()
    forked_end, child_end = os.pipe()
    if (child := os.fork()) == 0:
        os.write(child_end, b"x")
        os.read(read_end, 1)
        os._exit(0)
    try:
        os.read(forked_end, 1)
        assert is_held(tmp_path / "lock")
        hold.release()
        assert not is_held(tmp_path / "lock")
    finally:
        os.write(write_end, b"x")
        os.waitpid(child, 0)
        for descriptor in (read_end, write_end, forked_end, child_end):
            os.close(descriptor)


async def test_waiting_for_a_hold_leaves_the_event_loop_free(tmp_path: Path) -> None:
    other = FileLock.exclusive(tmp_path / "lock")
    waiting = asyncio.create_task(hold_shared(tmp_path / "lock"))
    done, _ = await asyncio.wait([waiting], timeout=0)
    assert not done
    other.release()
    hold = await waiting
    hold.release()


async def test_a_cancelled_wait_holds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    other = FileLock.exclusive(path)
    waiting = asyncio.create_task(hold_shared(path))
    await asyncio.wait([waiting], timeout=0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    other.release()
    # Ends only when the cancelled wait has let go of its late hold.
    final = await asyncio.to_thread(FileLock.exclusive, path)
    final.release()
