"""The batches of the main job: a report on what a Prefect server offers, and prompts for a language model."""

from __future__ import annotations

from typing import Any

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
