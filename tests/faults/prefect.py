"""The embedded Prefect server of an orchestrator under test."""

from __future__ import annotations

import signal
from pathlib import Path

from tests.services.processes import Process
from vera_orchestrator.engine import server_process
from vera_orchestrator.engine.server_folder import ServerFolder

PROGRAM = server_process.__name__


def _serves(process: Process) -> bool:
    """Whether it is a server: the id may belong to something else by now."""
    return PROGRAM in (process.command or [])


def kill_server(home: Path) -> None:
    """Kill the server of a state folder, which is a child of ours at some remove; nothing if it does not run."""
    state = ServerFolder.of(home).read_state()
    process = Process.of(state.server_pid) if state is not None and state.server_pid is not None else None
    if process is not None and _serves(process):
        process.send(signal.SIGKILL)
