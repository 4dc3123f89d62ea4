"""The record of what was started."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from tests.services.processes import Process
from tests.services.running import address_of
from tests.services.state import Record, State

URL = "postgresql://postgres:secret@127.0.0.1:20000/postgres"


def of_this_process() -> Record:
    process = Process.of(os.getpid())
    assert process is not None
    return Record.of(process, URL)


def test_what_was_written_is_read(tmp_path: Path) -> None:
    assert State(tmp_path).records() == {}
    State(tmp_path).write({"postgres": of_this_process()})
    assert State(tmp_path).records() == {"postgres": of_this_process()}


def test_only_its_owner_may_read_the_passwords(tmp_path: Path) -> None:
    State(tmp_path).write({"postgres": of_this_process()})
    assert stat.S_IMODE((tmp_path / "services.json").stat().st_mode) == 0o600


def test_a_test_uses_what_runs(tmp_path: Path) -> None:
    State(tmp_path).write({"postgres": of_this_process()})
    assert address_of("postgres", "VERA_TEST_NO_SUCH", State(tmp_path)) == URL
    assert address_of("redis", "VERA_TEST_NO_SUCH", State(tmp_path)) is None


def test_a_process_that_got_the_id_of_a_dead_service_is_not_taken_for_it(tmp_path: Path) -> None:
    record = of_this_process()
    State(tmp_path).write({"postgres": Record(pid=record.pid, started=record.started + 1, url=URL)})
    assert address_of("postgres", "VERA_TEST_NO_SUCH", State(tmp_path)) is None


def test_what_the_environment_names_is_used_instead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    State(tmp_path).write({"postgres": of_this_process()})
    monkeypatch.setenv("VERA_TEST_GIVEN", "postgresql://mine")
    assert address_of("postgres", "VERA_TEST_GIVEN", State(tmp_path)) == "postgresql://mine"
