"""The embedded Prefect server of an orchestrator under test."""

from __future__ import annotations

import signal
from pathlib import Path

from tests.services.processes import Process
from vera_orchestrator.engine.server_folder import ServerFolder


def kill_server(home: Path) -> None:
    """Kill the server of a state folder, which is a child of ours at some remove; nothing if it does not run."""
    state = ServerFolder.of(home).read_state()
    process = Process.of(state.server_pid) if state is not None and state.server_pid is not None else None
    if process is not None:
        process.send(signal.SIGKILL)
