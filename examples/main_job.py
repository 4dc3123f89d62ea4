"""The main job: the whole system up, and one batch on real input through its API.

Three HTTP requests read JSON from the Prefect server's own API, sandboxed Python summarises each answer, a tool writes
a report, and a last task, which depends on all others, checks it. Then language models are asked: two prompts at a
time, and a summary of one of the answers. Everything stays up until Ctrl-C. Run it with `make run`.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import os
import sys
from pathlib import Path
from types import ModuleType

import uvloop
from rich.console import Console

from api.command.claim import Claim, claimed
from api.command.ending import Ended, Ending
from api.command.exits import CommandFailed, Exit
from api.command.options import DEFAULT_HOST, DEFAULT_PORT
from examples.sandbox_setup import has_sandbox
from vera_orchestrator.engine.server import EmbeddedServer, ServerAddress
from vera_orchestrator.settings import OrchestratorConfig

WHOLE, SIMULATOR = "examples.whole_system", "vera_orchestrator.simulator.running"


async def run(console: Console, claim: Claim, *, once: bool) -> int:
    """Start everything, run the main job and stay, or end with it; return the exit status."""
    home = claim.file.home
    ending = Ending(claim.file.remove)
    console.print(f"State folder: {home}. Starting the Prefect server (the first time takes some seconds).")
    server = EmbeddedServer.of(OrchestratorConfig(home=home, prefect="embedded"))
    try:
        address, with_code, whole = await ending.or_result(_begun(server, console))
        status: int = await whole.run_whole(console, claim, ending, address, with_code=with_code, once=once)
        return status
    except Ended:
        return Exit.INTERRUPTED
    finally:
        server.release()


async def _begun(server: EmbeddedServer, console: Console) -> tuple[ServerAddress, bool, ModuleType]:
    """Start the server; what else takes seconds is done meanwhile."""
    return await asyncio.gather(
        server.acquire(), asyncio.to_thread(has_sandbox, console), asyncio.to_thread(_load, WHOLE, SIMULATOR)
    )


def _load(name: str, *others: str) -> ModuleType:
    loaded = importlib.import_module(name)
    for other in others:  # it may not be needed, but now nobody waits for it
        importlib.import_module(other)
    return loaded


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(description="Bring everything up and run the main job.")
    parser.add_argument("--once", action="store_true", help="end after the batch")
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="port of the API; 0: a free one (%(default)s)")
    arguments = parser.parse_args()
    home = Path(os.environ.get("VERA_HOME", ".vera")).absolute()
    try:
        with claimed(home, DEFAULT_HOST, arguments.port) as claim:
            code = uvloop.run(run(Console(), claim, once=arguments.once))
    except CommandFailed as error:
        code = error.exit_code
        hint = " (With make: make run ARGS=--port=8001.)" if "--port" in (error.remedy or "") else ""
        sys.stderr.write(f"{error}{hint}\n")
    raise SystemExit(code)


if __name__ == "__main__":
    main()
