"""`vera up` in the foreground."""

from __future__ import annotations

import asyncio
import logging

from rich.console import Console

from api.command.banner import banner, prefect_auth_file
from api.command.claim import Claim, claimed
from api.command.ending import Ended, Ending
from api.command.exits import Exit
from api.command.output import print_json
from api.command.serving import serving
from api.command.up import UpOptions
from BackgroundCognition.orchestrator import OrchestratorConfig, UnifiedOrchestrator

LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def up_here(options: UpOptions) -> int:
    """Serve until SIGINT or SIGTERM, and return the exit status. Raises CommandFailed and InvalidValue."""
    config = OrchestratorConfig()
    with claimed(config.home, options.host, options.port) as claim:
        logging.basicConfig(level=options.log_level.upper(), format=LOG_FORMAT)
        return asyncio.run(_serve(config, claim, options))


async def _serve(config: OrchestratorConfig, claim: Claim, options: UpOptions) -> int:
    console = Console(highlight=False, quiet=options.json)
    ending = Ending(claim.file.remove)
    orchestrator = UnifiedOrchestrator(config)
    console.print(f"Starting on {claim.url} with the state in {config.home} ...", soft_wrap=True)
    try:
        async with serving(orchestrator, claim.listening, ending, lambda: _ending(console, orchestrator)) as app:
            record = claim.record(
                ready=True,
                prefect_ui_url=orchestrator.engine.status.ui_url,
                prefect_auth_file=prefect_auth_file(config),
            )
            if options.json:
                print_json(record)
            console.print(banner(orchestrator, app, claim.url, reachable_by_others=claim.is_reachable_by_others))
            console.print("End it with Ctrl-C, or with vera down.")
            await ending.wait()
    except Ended:
        console.print("Ended before it was up.")
    return Exit.OK


def _ending(console: Console, orchestrator: UnifiedOrchestrator) -> None:
    running = orchestrator.get_status()["metrics"]["active_tasks"]
    if running:
        seconds = orchestrator.config.drain_seconds
        console.print(
            f"Ending: {running} running tasks have {seconds:g} s to end; then they go back to the journal. "
            "Ctrl-C again ends at once."
        )
    else:
        console.print("Ending.")
