"""The command: `vera simulate`, or `python -m vera_orchestrator.simulator`."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Sequence
from typing import Any, get_origin

from pydantic import ValidationError

from vera_orchestrator.simulator.settings import SimulatorSettings

DEFAULT_PORT = 11_435


def main(arguments: Sequence[str] | None = None, *, prog: str = "python -m vera_orchestrator.simulator") -> int:
    """Serve the simulator until SIGINT or SIGTERM, saying where; returns the exit status.

    Every setting is a flag. Lists are given by repeating one: `--errors 429 --errors 200`; rates as `--error-rates
    429=0.1`.
    """
    parser = _parser(prog)
    given = vars(parser.parse_args(arguments))
    port: int = given.pop("port")
    try:
        settings = SimulatorSettings.model_validate(_values(given))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        parser.error(f"--{str(first['loc'][0]).replace('_', '-')}: {first['msg']}")

    from vera_orchestrator.simulator import running  # takes seconds, which --help does not
    from vera_orchestrator.simulator.simulator import Simulator

    try:
        listening = running.listen(port)
    except OSError as error:
        parser.error(f"--port {port}: {error.strerror}")
    with listening:
        sys.stdout.write(f"[simulated] LLM simulator on {running.address(listening)}: no model answers here\n")
        sys.stdout.flush()
        with contextlib.suppress(KeyboardInterrupt):
            running.serve(Simulator(settings), listening)
    return 0


def _parser(prog: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=prog,
        description="Serve simulated LLM providers on loopback: Ollama, OpenAI, Anthropic and Gemini.",
        argument_default=argparse.SUPPRESS,
    )
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="port on loopback; 0: a free one (%(default)s)")
    for name, field in SimulatorSettings.model_fields.items():
        flag, origin = f"--{name.replace('_', '-')}", get_origin(field.annotation)
        text = (field.description or "").replace("%", "%%")
        if origin in (tuple, dict):
            shown = "OUTCOME=RATE" if origin is dict else None
            parser.add_argument(flag, action="append", metavar=shown, help=f"{text} Can be repeated.")
        else:
            parser.add_argument(flag, help=text if field.default is None else f"{text} ({field.default})")
    return parser


def _values(given: dict[str, Any]) -> dict[str, Any]:
    rates: list[str] | None = given.get("error_rates")
    if rates is None:
        return given
    return given | {"error_rates": {outcome: rate for outcome, _, rate in (text.partition("=") for text in rates)}}
