"""The commands, and how each ends."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from cyclopts import App, CycloptsError, Parameter

from api.command.exits import CommandFailed, Exit
from api.command.output import print_json_line
from vera_orchestrator.errors import InvalidValue, VeraError


def run_command(arguments: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] == ["simulate"]:  # it has its own flags, one per setting
        from vera_orchestrator.simulator.command import main as simulate

        return simulate(given[1:], prog="vera simulate")
    try:
        result = application()(given, exit_on_error=False, print_error=False, result_action="return_value")
    except CycloptsError as error:
        return _failed(CommandFailed(Exit.USAGE, str(error), "See vera --help."), given)
    except CommandFailed as error:
        return _failed(error, given)
    except VeraError as error:
        code = Exit.USAGE if isinstance(error, InvalidValue) else Exit.REFUSED
        words = f"{error.field}: {error.message}" if error.field else error.message
        return _failed(CommandFailed(code, words, error.remedy), given)
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except BrokenPipeError:  # the reader has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.OK
    return result if isinstance(result, int) else Exit.OK


def application() -> App:
    """Return the command with all its subcommands; what they need is loaded when they run."""
    from api.command.batches import batch, run
    from api.command.doctor import doctor
    from api.command.down import down
    from api.command.history import history
    from api.command.keys import keys
    from api.command.spend import spend
    from api.command.status import status
    from api.command.submit import submit
    from api.command.tasks import cancel, logs, retry, show
    from api.command.up import up
    from api.command.workers import workers

    app = App(
        name="vera",
        help="Vera Orchestrator: tasks of AI agents, durable and within limits.",
        help_epilogue="Exit status: 0 done, 1 a task or check failed, 2 wrong use, 3 no server, 4 refused.",
        version=_version,
        default_parameter=Parameter(negative="", show_default=False),
        help_format="plaintext",
        suppress_keyboard_interrupt=False,
    )
    for command in (up, down, status, doctor, submit, run, logs, show, history, cancel, retry, spend):
        app.command(command)
    for group in (batch, workers, keys):
        app.command(group)
    app.command(_simulate, name="simulate")
    app.register_install_completion_command()  # pyright: ignore[reportUnknownMemberType]
    return app


def _simulate(*arguments: str) -> None:
    """Serve simulated language models on loopback; see vera simulate --help."""
    del arguments


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("vera-orchestrator")
    except PackageNotFoundError:
        return "unknown"


def _failed(error: CommandFailed, given: Sequence[str]) -> int:
    if "--json" in given:
        print_json_line(error.to_dict())
    sys.stderr.write(f"vera: {error}\n")
    return error.exit_code
