"""The process that keeps the embedded Prefect server running while it has users, and ends it after the last one.

Started detached by the first user, it outlives it if there are others. It holds the listening socket, so a restarted
server has the same port. It knows that the last user is gone when it gets the users' lock exclusively; the kernel
drops the locks of killed processes too. It imports no Prefect and stays small.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from queue import SimpleQueue

from vera_orchestrator.engine.backing import Backing
from vera_orchestrator.engine.credentials import given_credentials
from vera_orchestrator.engine.locks import FileLock
from vera_orchestrator.engine.restarts import Restarts
from vera_orchestrator.engine.server_folder import HOST, ServerFolder, ServerState
from vera_orchestrator.engine.server_log import ServerLog
from vera_orchestrator.engine.server_settings import server_environment

STOP_SECONDS = 6
BIND_RETRY_SECONDS = 0.05
BACKLOG = 2_048
READY = b"ready\n"


@dataclass(frozen=True, kw_only=True, slots=True)
class Exited:
    """The server ended, with an exit code as `subprocess` has it, after so many seconds."""

    code: int
    lived: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Restart:
    """The pause before the next start is over."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Stop:
    """The server is to end; `hold` keeps new users out until it has."""

    reason: str
    hold: FileLock | None = None


Events = SimpleQueue[Exited | Restart | Stop]


def supervise(events: Events, start: Callable[[], subprocess.Popen[bytes]], log: ServerLog) -> None:
    """Keep one server process running until Stop comes, or until it is clear that it cannot start."""
    restarts = Restarts()
    process = start()
    while True:
        match events.get():
            case Stop() as stop:
                log.note(f"{stop.reason}; the server ends")
                _end(process)
                return
            case Exited() as end:
                restarts = restarts.after(code=end.code, lived=end.lived)
                if (delay := restarts.delay) is None:
                    log.note(f"the server could not be started (exit code {end.code})")
                    return
                log.note(f"the server ended with {end.code} after {end.lived:.1f} s; next start in {delay:g} s")
                _later(delay, events)
            case Restart():
                process = start()


def main(home: Path, retention_days: int, backing: Backing) -> None:
    """Supervise the server of a state folder. Says READY on standard output once its port is known."""
    events = Events()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: events.put(Stop(reason=signal.Signals(number).name)))
    os.umask(0o077)
    folder = ServerFolder.of(home)
    os.chdir(folder.path)
    alive = FileLock.exclusive(folder.supervisor_lock)
    log = ServerLog(folder.log)
    credentials = given_credentials(folder.path, auth_string=backing.auth_string, encryption_key=backing.encryption_key)
    before = folder.read_state()
    with _listen(before) as listener:
        state = ServerState(port=listener.getsockname()[1], backing=str(backing), supervisor_pid=os.getpid())
        environment = server_environment(
            os.environ,
            folder=folder,
            state=state,
            credentials=credentials,
            retention_days=retention_days,
            backing=backing,
        )

        def start() -> subprocess.Popen[bytes]:
            process = _start_server(listener, environment, events, log)
            folder.write_state(replace(state, server_pid=process.pid))
            return process

        folder.write_state(state)
        _background(_wait_for_last_user, folder.users_lock, events)
        _say_ready()
        supervise(events, start, log)
    folder.write_state(ServerState(port=state.port))
    # New users wait for the users' lock, which goes last, with the process: then they find no living supervisor.
    alive.release()


def _start_server(
    listener: socket.socket, environment: dict[str, str], events: Events, log: ServerLog
) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "vera_orchestrator.engine.server_process", str(listener.fileno())],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        pass_fds=[listener.fileno()],
    )
    _background(_copy_output, process, log)
    _background(_report_exit, process, events)
    return process


def _copy_output(process: subprocess.Popen[bytes], log: ServerLog) -> None:
    assert process.stdout is not None
    descriptor = process.stdout.fileno()
    while data := os.read(descriptor, 65_536):
        log.write(data)


def _report_exit(process: subprocess.Popen[bytes], events: Events) -> None:
    started = time.monotonic()
    code = process.wait()
    events.put(Exited(code=code, lived=time.monotonic() - started))


def _wait_for_last_user(users_lock: Path, events: Events) -> None:
    events.put(Stop(reason="the last user is gone", hold=FileLock.exclusive(users_lock)))


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _later(delay: float, events: Events) -> None:
    timer = threading.Timer(delay, events.put, [Restart()])
    timer.daemon = True
    timer.start()


def _background(work: Callable[..., None], *arguments: object) -> None:
    threading.Thread(target=work, args=arguments, daemon=True).start()


def _listen(before: ServerState | None) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if before is None or not _bind_again(listener, before):
        listener.bind((HOST, 0))
    listener.listen(BACKLOG)
    return listener


def _bind_again(listener: socket.socket, before: ServerState) -> bool:
    # The server of a supervisor that was killed has the port until it has ended; a stranger may have it for good.
    deadline = time.monotonic() + (STOP_SECONDS if before.server_pid else 0)
    while True:
        try:
            listener.bind((HOST, before.port))
        except OSError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(BIND_RETRY_SECONDS)
        else:
            return True


def _say_ready() -> None:
    os.write(sys.stdout.fileno(), READY)
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, sys.stdout.fileno())
    os.close(nothing)


if __name__ == "__main__":
    # The starter waits for this process, which ends at once; the copy that stays is nobody's child.
    given = Backing.from_json(sys.stdin.buffer.read())
    if os.fork() == 0:
        main(Path(sys.argv[1]), int(sys.argv[2]), given)
