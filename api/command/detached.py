"""`vera up --detach`: the server as a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import api
from api.command.claim import already_served
from api.command.exits import CommandFailed, Exit
from api.command.options import home_folder
from api.command.output import console, print_json
from api.command.record import ServerFile, ServerRecord
from api.command.up import UpOptions

LOOK_SECONDS = 0.1
START_SECONDS = 180
"""Longest wait: Prefect's first start on a slow machine is most of it."""
LOG_LINES = 15


def up_detached(options: UpOptions) -> int:
    """Start a server, wait until it is up, and say where it is. Raises CommandFailed with the end of its log."""
    file = ServerFile(home_folder())
    if file.living() is not None:
        raise already_served(file)
    file.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    process = _start(file.log, options)
    try:
        with _told_to_wait(options):
            record = _until_up(file, process)
    except BaseException:
        process.terminate()
        raise
    process.returncode = Exit.OK  # it outlives this process, which is no reason for a warning
    if options.json:
        print_json({**vars(record), "log": str(file.log)})
    else:
        console().print(f"Up at {record.url} (pid {record.pid}).\nLog: {file.log}\nEnd: vera down", soft_wrap=True)
    return Exit.OK


def _start(log: Path, options: UpOptions) -> subprocess.Popen[bytes]:
    arguments = ["--host", options.host, "--port", str(options.port), "--log-level", options.log_level]
    root = str(Path(api.__file__).parents[1])
    path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    log.touch(mode=0o600)
    with log.open("wb") as output:
        return subprocess.Popen(
            [sys.executable, "-P", "-u", "-m", "api.command", "up", *arguments],
            env={**os.environ, "PYTHONPATH": path},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _until_up(file: ServerFile, process: subprocess.Popen[bytes]) -> ServerRecord:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None:
        record = file.living()
        if record is not None and record.pid == process.pid and record.ready:
            return record
        if time.monotonic() > deadline:
            raise CommandFailed(Exit.UNREACHABLE, f"It was not up within {START_SECONDS} s.{_end_of(file.log)}")
        time.sleep(LOOK_SECONDS)
    code = Exit(process.returncode) if process.returncode in set(Exit) else Exit.FAILED
    raise CommandFailed(code or Exit.FAILED, f"It ended while it was starting.{_end_of(file.log)}")


@contextmanager
def _told_to_wait(options: UpOptions) -> Generator[None]:
    if options.json:
        yield
        return
    with console().status("Starting (the first time takes some seconds) ..."):
        yield


def _end_of(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()[-LOG_LINES:]
    return f" The end of {log}:\n" + "\n".join(lines)
