"""Processes that outlive their starter."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.services.errors import ServiceFailed
from tests.services.processes import Process
from tests.services.waiting import wait_until_it_answers


def test_a_process_ends_when_it_is_asked_to_and_leaves_no_zombie(tmp_path: Path) -> None:
    process = Process.spawned(["sleep", "1000"], tmp_path / "log")
    assert process.lives
    process.end(within=10)
    assert not process.lives
    assert not Path(f"/proc/{process.pid}").exists()


def test_a_process_that_does_not_listen_is_killed(tmp_path: Path) -> None:
    script = "trap '' TERM; echo deaf; while :; do read -r line < pipe; done"
    os.mkfifo(tmp_path / "pipe")
    log = tmp_path / "log"
    process = Process.spawned(["bash", "-c", f"cd '{tmp_path}'; {script}"], log)
    wait_until_it_answers(process, lambda: log.exists() and "deaf" in log.read_text(), log=log)
    process.end(within=0.05)
    assert not process.lives


def test_a_signal_for_a_dead_process_reaches_nobody_who_got_its_id() -> None:
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as child:
        living = Process.of(child.pid)
        assert living is not None
        former = Process(pid=child.pid, started=living.started - 1)
        former.kill()
        assert living.lives
    assert child.returncode == 0


def test_the_children_of_a_process_are_known() -> None:
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as child:
        own = Process.of(os.getpid())
        assert own is not None
        assert child.pid in [found.pid for found in own.children()]


def test_a_server_that_ends_at_once_is_reported_with_the_end_of_its_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    process = Process.spawned(["bash", "-c", "echo the port is taken; read -rt 0.05 < <(exec cat)"], log)
    with pytest.raises(ServiceFailed, match="the port is taken"):
        wait_until_it_answers(process, lambda: False, log=log)


def test_a_process_that_has_ended_before_it_is_looked_at_is_known_all_the_same(tmp_path: Path) -> None:
    process = Process.spawned(["true"], tmp_path / "log")
    assert process.ended(within=10)
    assert not Path(f"/proc/{process.pid}").exists()


def test_a_server_that_never_answers_is_killed(tmp_path: Path) -> None:
    process = Process.spawned(["sleep", "1000"], tmp_path / "log")
    with pytest.raises(ServiceFailed, match="does not answer"):
        wait_until_it_answers(process, lambda: False, log=tmp_path / "log", seconds=0)
    assert not process.lives


def test_an_interrupt_ends_a_process_also_where_the_shell_ignores_it(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        process = Process.spawned(["sleep", "1000"], tmp_path / "log")
    finally:
        signal.signal(signal.SIGINT, before)
    process.send(signal.SIGINT)
    assert process.ended(within=10)
