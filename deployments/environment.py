"""The environment in which Prefect's own commands talk to the embedded server of a state folder."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path

from vera_orchestrator.engine.credentials import load_credentials
from vera_orchestrator.engine.locks import is_held
from vera_orchestrator.engine.server_folder import ServerFolder
from vera_orchestrator.engine.server_settings import client_settings
from vera_orchestrator.errors import PrefectUnavailable

NOTICE = "# These lines hold the password of the embedded Prefect server: keep them out of logs and files."


def running_server(home: Path) -> dict[str, str]:
    """Return the PREFECT_* variables for the embedded server of a state folder; raises PrefectUnavailable if none runs.

    One of the values is a secret. Nothing is started or created.
    """
    if (home / "prefect").is_dir():
        folder = ServerFolder.of(home)
        state = folder.read_state()
        if state is not None and folder.supervisor_lock.exists() and is_held(folder.supervisor_lock):
            return client_settings(api_url=state.api_url, auth_string=load_credentials(folder.path).auth_string)
    raise PrefectUnavailable(
        f"no embedded Prefect server runs for {home}.",
        remedy="Start an orchestrator on this state folder (VERA_HOME), which starts one, or set PREFECT_API_URL.",
    )


def export_lines(variables: Mapping[str, str]) -> str:
    """Return variables as lines for a POSIX shell, after a notice that they hold a secret."""
    lines = [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
    return "\n".join([NOTICE, *lines, ""])
