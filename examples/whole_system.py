"""The main job on a whole system in this process: API, dashboard, workers, beside a Prefect server that runs."""

from __future__ import annotations

import base64
import os
from pathlib import Path

from rich.console import Console

from api.command.banner import banner, prefect_auth_file
from api.command.claim import Claim
from api.command.ending import Ending
from api.command.exits import Exit
from api.command.serving import serving
from BackgroundCognition.orchestrator import OrchestratorConfig, UnifiedOrchestrator
from examples.batches import REPORT, SECRET, SOURCES, llm_step, main_job
from examples.display import show_answers, show_results
from examples.llm_source import source_for
from examples.sandbox_setup import INSTALL
from examples.submitting import run_batch
from vera_orchestrator.engine.server import ServerAddress


async def run_whole(
    console: Console, claim: Claim, ending: Ending, address: ServerAddress, *, with_code: bool, once: bool
) -> int:
    """Bring the API up, run the batches and stay, or end with them; return the exit status. Raises Ended."""
    orchestrator = UnifiedOrchestrator(_settings(claim.file.home, address))
    async with serving(orchestrator, claim.listening, ending, lambda: console.print("Ending.")) as app:
        claim.record(
            ready=True, prefect_ui_url=address.ui_url, prefect_auth_file=prefect_auth_file(orchestrator.config)
        )
        console.print(f"The API is up: {claim.url}")
        async with source_for(orchestrator, console) as source:
            tasks = main_job(address.api_url, with_code=with_code)
            batch = await ending.or_result(run_batch(claim.url, tasks, "main job", console))
            show_results(console, batch, [] if with_code else [f"summarise {name}" for name in SOURCES], INSTALL)
            console.print(f"Report: {orchestrator.config.workspace / REPORT}", soft_wrap=True)
            answers = await ending.or_result(run_batch(claim.url, llm_step(source.capability), "LLM", console))
            show_answers(console, answers, source.words)
            console.print(f"The batch in Prefect's UI: {batch['prefect_url']}", soft_wrap=True)
            if not once:
                console.print(banner(orchestrator, app, claim.url, reachable_by_others=False))
                console.print("Everything stays up. End it with Ctrl-C.")
                await ending.wait()
    return Exit.OK if {batch["status"], answers["status"]} == {"completed"} else Exit.FAILED


def _settings(home: Path, address: ServerAddress) -> OrchestratorConfig:
    """Return the user's settings, and what the batch needs: the right to ask Prefect's server, and a folder."""
    os.environ[f"VERA_SECRET_{SECRET.upper()}"] = basic_auth(address)
    allowed = [*OrchestratorConfig().http_allow, address.api_url.split("/")[2]]
    return OrchestratorConfig(home=home, prefect="embedded", http_allow=allowed, tools_root=home.parent / "reports")


def basic_auth(address: ServerAddress) -> str:
    """Return the header value with which Prefect's server is asked."""
    return "Basic " + base64.b64encode(address.auth_string.encode()).decode()
