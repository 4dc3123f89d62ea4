"""Who serves a state folder."""

from __future__ import annotations

import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from api.command.claim import claimed
from api.command.exits import CommandFailed, Exit
from api.command.record import ServerFile, birth_of


def test_a_folder_is_served_once_at_a_time(tmp_path: Path) -> None:
    with claimed(tmp_path, "127.0.0.1", 0) as claim:
        assert claim.file.living() is not None
        with (
            pytest.raises(CommandFailed, match=rf"already: {claim.url} \(pid {os.getpid()}\)") as refusal,
            claimed(tmp_path, "127.0.0.1", 0),
        ):
            pass
        assert refusal.value.exit_code is Exit.REFUSED
    assert claim.file.living() is None
    with claimed(tmp_path, "127.0.0.1", 0):
        pass


def test_only_this_account_can_read_the_record(tmp_path: Path) -> None:
    with claimed(tmp_path, "127.0.0.1", 0) as claim:
        claim.record(ready=True)
        assert stat.S_IMODE(claim.file.path.stat().st_mode) == 0o600
    assert not claim.file.path.exists()


def test_a_process_that_got_the_number_of_a_dead_server_is_not_taken_for_it(tmp_path: Path) -> None:
    with claimed(tmp_path, "127.0.0.1", 0) as claim:
        record = claim.record(ready=True)
        claim.file.write(replace(record, born="1"))
        assert claim.file.living() is None


def test_what_a_killed_server_left_is_nobody(tmp_path: Path) -> None:
    with claimed(tmp_path, "127.0.0.1", 0) as claim:
        left = claim.record(ready=True)
    ServerFile(tmp_path).write(left)
    assert ServerFile(tmp_path).living() is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": 1}'])
def test_a_record_that_cannot_be_read_is_nobody(tmp_path: Path, text: str) -> None:
    ServerFile(tmp_path).path.write_text(text)
    assert ServerFile(tmp_path).living() is None


def test_a_process_that_is_gone_has_no_birth() -> None:
    assert birth_of(os.getpid())
    assert birth_of(2**22 + 1) == ""
