"""A server in this process, from the first word to the last."""

from __future__ import annotations

from rich.console import Console

from api.command.banner import banner, prefect_auth_file
from api.command.claim import Claim
from api.command.ending import Ended, Ending
from api.command.exits import Exit
from api.command.output import print_json
from api.command.serving import serving
from BackgroundCognition.orchestrator import OrchestratorConfig, UnifiedOrchestrator


async def stay(config: OrchestratorConfig, claim: Claim, console: Console, *, as_json: bool) -> int:
    """Serve until SIGINT or SIGTERM, saying where; returns the exit status."""
    ending = Ending(claim.file.remove)
    orchestrator = UnifiedOrchestrator(config)
    try:
        async with serving(orchestrator, claim.listening, ending, lambda: _ending(console, orchestrator)) as app:
            record = claim.record(
                ready=True,
                prefect_ui_url=orchestrator.engine.status.ui_url,
                prefect_auth_file=prefect_auth_file(config),
            )
            if as_json:
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
            f"Ending. What runs ({running}) has {seconds:g} s to end, then it goes back to the journal; "
            "Ctrl-C again ends at once.",
            soft_wrap=True,
        )
    else:
        console.print("Ending.")
