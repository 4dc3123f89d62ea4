"""The main job: everything embedded, one batch on real input.

Three HTTP requests read JSON from the Prefect server's own API, sandboxed Python summarises each answer, a tool writes
a report, and a last task, which depends on all others, checks it. Then language models are asked: two prompts at a
time, and a summary of one of the answers. Run it with `make run`.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import os
import signal
from pathlib import Path

from rich.console import Console

from BackgroundCognition.orchestrator import (
    OrchestratorConfig,
    Task,
    TaskPriority,
    TaskRequirements,
    TaskType,
    UnifiedOrchestrator,
)
from examples.display import REFRESH_SECONDS, show_answers, show_progress, show_results
from examples.llm_source import load_simulator, source_for
from examples.sandbox_setup import INSTALL, has_sandbox
from vera_orchestrator.engine.server import EmbeddedServer, ServerAddress
from vera_orchestrator.models import ParallelBatch

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
SHOWN_SECONDS = 10
ANSWER_TOKENS = 200


def main_job(api_url: str, *, with_code: bool) -> list[Task]:
    """Return the batch; without a sandbox the code steps are left out."""
    headers = {"Authorization": {"$secret": SECRET}}
    tasks = [
        Task(
            id=f"read {name}",
            type=TaskType.API_REQUEST,
            payload={"url": api_url + path, "headers": headers},
        )
        for name, path in SOURCES.items()
    ]
    if with_code:
        tasks += [
            Task(
                id=f"summarise {name}",
                type=TaskType.CODE_EXECUTION,
                payload={"code": SUMMARISE, "language": "python", "stdin": f"{{read {name}}}\n"},
                depends_on=[f"read {name}"],
            )
            for name in SOURCES
        ]
    lines = [task.id for task in tasks if task.id.startswith("summarise ")] or [task.id for task in tasks]
    content = "# What this Prefect server offers\n\n" + "".join(f"- **{one}**: {{{one}}}\n" for one in lines)
    tasks.append(
        Task(
            id="write the report",
            type=TaskType.TOOL_CALL,
            priority=TaskPriority.HIGH,
            payload={"tool_name": "write_file", "tool_input": {"path": REPORT, "content": content}},
            depends_on=lines,
        )
    )
    tasks.append(
        Task(
            id="check the report",
            type=TaskType.TOOL_CALL,
            payload={"tool_name": "read_file", "tool_input": {"path": REPORT}},
            depends_on=[task.id for task in tasks],
        )
    )
    return tasks


def llm_step(capability: str) -> list[Task]:
    """Return the batch for language models, on workers with a capability: two prompts, and a summary of the story."""
    prompts = {"task-1": "Generate a story", "explain": "Explain orchestration", "task-2": "Summarize: {task-1}"}
    return [
        Task(
            id=name,
            type=TaskType.LLM_REQUEST,
            payload={"prompt": prompt, "max_tokens": ANSWER_TOKENS},
            requirements=TaskRequirements(worker_capabilities=[capability]),
            depends_on=["task-1"] if name == "task-2" else [],
        )
        for name, prompt in prompts.items()
    ]


async def run(console: Console, home: Path, *, keep: bool) -> int:
    """Run the main job with its state in `home`; return the exit status."""
    with_code = await asyncio.to_thread(has_sandbox, console)
    console.print(f"State folder: {home}. Starting the Prefect server (the first time takes some seconds).")
    server = EmbeddedServer.of(OrchestratorConfig(home=home, prefect="embedded"))
    # the simulator may not be needed, but now nobody waits for it
    address, _ = await asyncio.gather(server.acquire(), load_simulator())
    os.environ[f"VERA_SECRET_{SECRET.upper()}"] = basic_auth(address)
    config = OrchestratorConfig(
        home=home, prefect="embedded", http_allow=[address.api_url.split("/")[2]], tools_root=home.parent / "reports"
    )
    async with UnifiedOrchestrator(config) as orchestrator:
        tasks = main_job(address.api_url, with_code=with_code)
        batch = await _run_batch(orchestrator, console, tasks, "main job")
        skipped = [] if with_code else [f"summarise {name}" for name in SOURCES]
        show_results(console, batch, skipped, INSTALL)
        console.print(f"Report: {config.workspace / REPORT}", soft_wrap=True)
        async with source_for(orchestrator, console) as source:
            answers = await _run_batch(orchestrator, console, llm_step(source.capability), "LLM step")
        show_answers(console, answers, source.words)
        _show_way_to_ui(console, orchestrator, batch, home)
        if keep:
            console.print("Everything stays up. End it with Ctrl-C.")
            await _until_interrupted()
        else:
            console.print("The server ends now, and keeps what it knows; to look at it: make run ARGS=--keep")
    server.release()
    return 0 if {batch.status, answers.status} == {"completed"} else 1


async def _run_batch(
    orchestrator: UnifiedOrchestrator, console: Console, tasks: list[Task], name: str
) -> ParallelBatch:
    batch_id = await orchestrator.submit_batch(tasks, name=name)
    assert isinstance(batch_id, str)
    await show_progress(console, orchestrator, batch_id)
    deadline = asyncio.get_running_loop().time() + SHOWN_SECONDS
    while True:  # a short batch can end before its flow run exists
        batch = await orchestrator.get_batch(batch_id)
        assert batch is not None
        if batch.flow_run_id or asyncio.get_running_loop().time() > deadline:
            return batch
        await asyncio.sleep(REFRESH_SECONDS)


def _show_way_to_ui(console: Console, orchestrator: UnifiedOrchestrator, batch: ParallelBatch, home: Path) -> None:
    url = orchestrator.engine.run_url(batch.flow_run_id) if batch.flow_run_id else orchestrator.engine.status.ui_url
    console.print(f"The batch in Prefect's UI: {url}", soft_wrap=True)
    console.print(f"(The UI asks for the auth string: it is in {home / 'prefect' / 'auth'}.)", soft_wrap=True)


async def _until_interrupted() -> None:
    interrupted = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, interrupted.set)
    await interrupted.wait()


def basic_auth(address: ServerAddress) -> str:
    """Return the header value with which Prefect's server is asked."""
    return "Basic " + base64.b64encode(address.auth_string.encode()).decode()


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(description="Run the main job with everything embedded.")
    parser.add_argument("--keep", action="store_true", help="leave everything up afterwards, until Ctrl-C")
    arguments = parser.parse_args()
    home = Path(os.environ.get("VERA_HOME", ".vera")).absolute()
    raise SystemExit(asyncio.run(run(Console(), home, keep=arguments.keep)))


if __name__ == "__main__":
    main()
