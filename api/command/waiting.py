"""Waits for a task and writes what it gave."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from rich.markup import escape

from api.command.client import Client
from api.command.exits import Exit
from api.command.output import error_console, print_json
from api.command.words import as_json

FINAL = frozenset({"completed", "failed", "cancelled"})
WAIT_SECONDS = 10
"""How long one request waits; after it the words beside the spinner are new."""


def result_of(client: Client, task_id: str, *, as_json: bool) -> int:
    """Wait for a task, write its result and return the exit status. A task goes on if this is broken off."""
    try:
        task = _ended(client, task_id)
    except KeyboardInterrupt:
        error_console().print(f"The task goes on. See vera logs {task_id}, or vera cancel {task_id}.", soft_wrap=True)
        return Exit.INTERRUPTED
    if as_json:
        print_json(task)
    else:
        write_result(task)
    return Exit.OK if task["status"] == "completed" else Exit.FAILED


def task_path(task_id: str) -> str:
    """Return the path of a task, whose id may be any text."""
    return f"/tasks/{quote(task_id, safe='')}"


def write_result(task: Mapping[str, Any]) -> None:
    """Write the data of a result as it is, so that it can go into a pipe; an error goes to standard error."""
    result: Mapping[str, Any] = task.get("result") or {}
    data = result.get("data")
    if data not in (None, ""):
        text = data if isinstance(data, str) else as_json(data, indent=2)
        sys.stdout.write(text if text.endswith("\n") else f"{text}\n")
    if task["status"] != "completed":
        reason = result.get("error") or task.get("error") or task.get("status_reason") or "no reason is known"
        error_console().print(f"The task has {_ended_words(task['status'])}: {escape(str(reason))}", soft_wrap=True)


def standing(task: Mapping[str, Any]) -> str:
    """Return how a task stands, on one line."""
    reason = task.get("status_reason")
    return f"{task['status']}{f': {reason}' if reason else ''}"


def _ended(client: Client, task_id: str) -> Mapping[str, Any]:
    with error_console().status("submitted") as spinner:
        task = client.get(task_path(task_id))
        while task["status"] not in FINAL:
            spinner.update(escape(standing(task)))
            task = client.get(task_path(task_id), wait_seconds=WAIT_SECONDS)
    return task


def _ended_words(status: str) -> str:
    return "been cancelled" if status == "cancelled" else "failed"
