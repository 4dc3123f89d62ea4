"""`vera up`: the whole system in one process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from cyclopts import Parameter

from api.command.options import DEFAULT_HOST, DEFAULT_PORT, Output

LogLevel = Literal["debug", "info", "warning", "error"]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class UpOptions(Output):
    """Where to listen, and how to run."""

    host: Annotated[str, Parameter(help="Address to listen on.", show_default=True)] = DEFAULT_HOST
    port: Annotated[int, Parameter(help="Port to listen on; 0: a free one.", show_default=True)] = DEFAULT_PORT
    detach: Annotated[bool, Parameter(help="Go on in the background once it is healthy.")] = False
    log_level: Annotated[LogLevel, Parameter(help="What is logged on standard error.", show_default=True)] = "warning"


USUAL_UP = UpOptions()
"""Nothing was given."""


def up(*, options: UpOptions = USUAL_UP) -> int:
    """Start the API, the dashboard, Prefect and the workers, and stay until Ctrl-C or `vera down`."""
    if options.detach:
        from api.command.detached import up_detached

        return up_detached(options)

    from api.command.foreground import up_here

    return up_here(options)
