"""The command `vera`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a subcommand; returns its exit status.

    `vera simulate` takes the flags of the simulator, see `vera simulate --help`.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser = argparse.ArgumentParser(prog="vera", description="Vera Orchestrator's commands.")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    commands.add_parser("simulate", add_help=False, help="serve simulated language models on loopback")
    parser.parse_known_args(given[:1])

    from vera_orchestrator.simulator.command import main as simulate

    return simulate(given[1:], prog="vera simulate")


if __name__ == "__main__":
    sys.exit(main())
