"""What all commands take."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8_000


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Output:
    """How a command answers."""

    json: Annotated[bool, Parameter(help="Answer in JSON.", group="Everywhere")] = False


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Remote(Output):
    """Which server is asked, and with which key."""

    url: Annotated[
        str | None,
        Parameter(
            env_var="VERA_URL",
            group="Everywhere",
            help="Address of the server; else the one that runs on VERA_HOME, else http://127.0.0.1:8000.",
        ),
    ] = None
    key: Annotated[
        str | None,
        Parameter(env_var="VERA_API_KEY", group="Everywhere", help="API key; not needed on the server's own machine."),
    ] = field(default=None, repr=False)


PLAIN = Output()
"""Nothing was given."""
USUAL = Remote()
"""Nothing was given."""


def home_folder() -> Path:
    """Return the state folder of this environment, without loading the settings."""
    return Path(os.environ.get("VERA_HOME") or "~/.vera").expanduser().absolute()
