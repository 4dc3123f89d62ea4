"""What exists at the start is spared from garbage collection."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest

from tests.support import orchestrator, soon


@pytest.mark.parametrize("freezes", [True, False])
async def test_what_exists_at_the_start_is_spared_until_the_stop_if_that_is_wanted(
    tmp_path: Path, freezes: bool
) -> None:
    gc.unfreeze()
    one = orchestrator(tmp_path, database_url="memory://", freeze_garbage=freezes)
    await soon(one.start())
    spared = gc.get_freeze_count()
    await soon(one.stop())
    assert (spared > 0) is freezes
    assert gc.get_freeze_count() == 0
