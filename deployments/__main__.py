"""Prepare a Prefect server for the flows: `python -m deployments apply`, `python -m deployments env`."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence

from prefect.client.orchestration import get_client

from deployments.application import apply_plan
from deployments.environment import export_lines, running_server
from deployments.plan import read_plan
from vera_orchestrator.engine.connection import connect
from vera_orchestrator.engine.server import EmbeddedServer
from vera_orchestrator.errors import VeraError
from vera_orchestrator.settings import OrchestratorConfig


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code: 0, or 1 with the error on standard error."""
    given = _parser().parse_args(arguments)
    try:
        config = OrchestratorConfig()
        if given.command == "env":
            sys.stdout.write(export_lines(running_server(config.home)))
        else:
            asyncio.run(_apply(config, given.pool))
    except VeraError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deployments", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    apply = commands.add_parser(
        "apply",
        help="create work pools, queues and limits that are missing",
        description="Create what is missing on the server in PREFECT_API_URL, else on the embedded one of VERA_HOME.",
    )
    apply.add_argument(
        "--pool",
        action="append",
        default=[],
        choices=[pool.name for pool in read_plan().pools],
        help="a pool to apply, instead of those applied by default; may be repeated",
    )
    commands.add_parser(
        "env",
        help="print the variables for Prefect's own commands; the output holds a secret",
        description="Print shell lines with which Prefect's own commands reach the embedded server of VERA_HOME, which "
        'must be running: eval "$(python -m deployments env)". The output holds the server\'s password.',
    )
    return parser


async def _apply(config: OrchestratorConfig, pools: Sequence[str]) -> None:
    embedded = EmbeddedServer.of(config)
    try:
        connection = await connect(config, embedded)
        sys.stdout.write(f"Prefect server: {connection.api_url}\n")
        await asyncio.create_task(_report(pools), context=connection.context)
    finally:
        embedded.release()


async def _report(pools: Sequence[str]) -> None:
    changes = 0
    async with get_client() as client:
        async for line in apply_plan(client, read_plan(), pools):
            changes += 1
            sys.stdout.write(f"{line}\n")
    if not changes:
        sys.stdout.write("nothing to change\n")


if __name__ == "__main__":
    sys.exit(main())
