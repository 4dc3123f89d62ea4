"""The main job: the whole system up, and one batch on real input through its API.

Three HTTP requests read JSON from the Prefect server's own API, sandboxed Python summarises each answer, a tool writes
a report, and a last task, which depends on all others, checks it. Then language models are asked: two prompts at a
time, and a summary of one of the answers. Everything stays up until Ctrl-C. Run it with `make run`.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import os
import sys
from pathlib import Path
from typing import Any

import uvloop
from rich.console import Console

from api.command.banner import banner, prefect_auth_file
from api.command.claim import Claim, claimed
from api.command.ending import Ended, Ending
from api.command.exits import CommandFailed, Exit
from api.command.options import DEFAULT_HOST, DEFAULT_PORT
from api.command.serving import serving
from BackgroundCognition.orchestrator import OrchestratorConfig, UnifiedOrchestrator
from examples.display import show_answers, show_results
from examples.llm_source import load_simulator, source_for
from examples.sandbox_setup import INSTALL, has_sandbox
from examples.submitting import run_batch
from vera_orchestrator.engine.server import EmbeddedServer, ServerAddress

Wire = dict[str, Any]

SECRET = "prefect_auth"
SOURCES = {
    "workers": "/collections/views/aggregate-worker-metadata",
    "secret block": "/block_types/slug/secret",
    "capabilities": "/block_capabilities/",
}
SUMMARISE = """
import json, sys

answer = json.load(sys.stdin)
text = json.dumps(answer)
kind = type(answer).__name__
print(f"{kind} with {len(answer)} entries, {len(text):,} characters: {', '.join(sorted(answer)[:4])} ...")
"""
REPORT = "report.md"
ANSWER_TOKENS = 200


def main_job(api_url: str, *, with_code: bool) -> list[Wire]:
    """Return the batch; without a sandbox the code steps are left out."""
    headers = {"Authorization": {"$secret": SECRET}}
    tasks: list[Wire] = [
        {"id": f"read {name}", "type": "api_request", "payload": {"url": api_url + path, "headers": headers}}
        for name, path in SOURCES.items()
    ]
    if with_code:
        tasks += [
            {
                "id": f"summarise {name}",
                "type": "code_execution",
                "payload": {"code": SUMMARISE, "language": "python", "stdin": f"{{read {name}}}\n"},
                "depends_on": [f"read {name}"],
            }
            for name in SOURCES
        ]
    ids = [str(task["id"]) for task in tasks]
    lines = [name for name in ids if name.startswith("summarise ")] or ids
    content = "# What this Prefect server offers\n\n" + "".join(f"- **{one}**: {{{one}}}\n" for one in lines)
    tasks.append(
        {
            "id": "write the report",
            "type": "tool_call",
            "priority": "high",
            "payload": {"tool_name": "write_file", "tool_input": {"path": REPORT, "content": content}},
            "depends_on": lines,
        }
    )
    tasks.append(
        {
            "id": "check the report",
            "type": "tool_call",
            "payload": {"tool_name": "read_file", "tool_input": {"path": REPORT}},
            "depends_on": [task["id"] for task in tasks],
        }
    )
    return tasks


def llm_step(capability: str) -> list[Wire]:
    """Return the batch for language models, on workers with a capability: two prompts, and a summary of the story."""
    prompts = {"task-1": "Generate a story", "explain": "Explain orchestration", "task-2": "Summarize: {task-1}"}
    return [
        {
            "id": name,
            "type": "llm_request",
            "payload": {"prompt": prompt, "max_tokens": ANSWER_TOKENS},
            "requirements": {"worker_capabilities": [capability]},
            "depends_on": ["task-1"] if name == "task-2" else [],
        }
        for name, prompt in prompts.items()
    ]


async def run(console: Console, claim: Claim, *, once: bool) -> int:
    """Start everything, run the main job and stay, or end with it; return the exit status."""
    home = claim.file.home
    ending = Ending(claim.file.remove)
    with_code = await asyncio.to_thread(has_sandbox, console)
    console.print(f"State folder: {home}. Starting the Prefect server (the first time takes some seconds).")
    server = EmbeddedServer.of(OrchestratorConfig(home=home, prefect="embedded"))
    try:
        # the simulator may not be needed, but now nobody waits for it
        address, _ = await ending.or_result(_both(server))
        orchestrator = UnifiedOrchestrator(_settings(home, address))
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
    except Ended:
        return Exit.INTERRUPTED
    finally:
        server.release()
    return Exit.OK if {batch["status"], answers["status"]} == {"completed"} else Exit.FAILED


async def _both(server: EmbeddedServer) -> tuple[ServerAddress, object]:
    return await asyncio.gather(server.acquire(), load_simulator())


def _settings(home: Path, address: ServerAddress) -> OrchestratorConfig:
    """Return the user's settings, and what the batch needs: the right to ask Prefect's server, and a folder."""
    os.environ[f"VERA_SECRET_{SECRET.upper()}"] = basic_auth(address)
    allowed = [*OrchestratorConfig().http_allow, address.api_url.split("/")[2]]
    return OrchestratorConfig(home=home, prefect="embedded", http_allow=allowed, tools_root=home.parent / "reports")


def basic_auth(address: ServerAddress) -> str:
    """Return the header value with which Prefect's server is asked."""
    return "Basic " + base64.b64encode(address.auth_string.encode()).decode()


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
        sys.stderr.write(f"{error} (With make: make run ARGS=--port=8001.)\n")
    raise SystemExit(code)


if __name__ == "__main__":
    main()
