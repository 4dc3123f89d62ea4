"""`vera logs`: what happens to a task, as it happens."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.markup import escape

from api.command.client import Client
from api.command.exits import CommandFailed, Exit
from api.command.output import error_console, print_json_line
from api.command.waiting import standing, task_path, write_result
from api.command.words import money, number


@dataclass(frozen=True, kw_only=True)
class ServerEvent:
    """One event of a stream (WHATWG HTML, section 9.2)."""

    kind: str
    data: Any


def follow_task(client: Client, task_id: str, *, as_json: bool) -> int:
    """Show the events of a task until it ends; returns the exit status by how it ended."""
    shown = Shown(error_console())
    try:
        with client.stream(f"{task_path(task_id)}/events") as response:
            for event in events_of(response.iter_lines()):
                if as_json:
                    print_json_line({"event": event.kind, "data": event.data})
                else:
                    shown.show(event)
                if event.kind == "error":
                    raise CommandFailed(
                        Exit.REFUSED, event.data["detail"], event.data.get("remedy"), problem=event.data
                    )
                if event.kind == "end":
                    return Exit.OK if event.data.get("success") else Exit.FAILED
    except KeyboardInterrupt:
        error_console().print(f"The task goes on. See vera cancel {task_id}.", soft_wrap=True)
        return Exit.INTERRUPTED
    raise CommandFailed(Exit.UNREACHABLE, "the stream ended before the task.", f"Try vera logs {task_id} again.")


def events_of(lines: Iterable[str]) -> Iterator[ServerEvent]:
    """Yield the events in the lines of a stream; comments, which only keep it open, are left out."""
    kind, data = "message", list[str]()
    for line in lines:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if line == "":
            if data:
                yield ServerEvent(kind=kind, data=json.loads("\n".join(data)))
            kind, data = "message", []
        elif name == "event":
            kind = value
        elif name == "data":
            data.append(value)


class Shown:
    """Events as a person reads them: text to standard output as it comes, the rest to standard error."""

    def __init__(self, beside: Console) -> None:
        self._beside = beside
        self._last = ""
        self._has_text = False
        self._line_is_open = False

    def show(self, event: ServerEvent) -> None:
        """Show one event."""
        match event.kind:
            case "text":
                self._text(str(event.data["text"]), begins_anew=event.data.get("offset") == 0)
            case "task":
                words = standing(event.data)
                if words != self._last:
                    self._last = words
                    self._say(words)
            case "progress":
                self._say(f"{event.data['fraction']:.0%} done")
            case "tool_call":
                self._say(f"calls {json.dumps(event.data)}")
            case "usage":
                self._usage(event.data)
            case "end":
                self._end(event.data)
            case _:
                return

    def _text(self, text: str, *, begins_anew: bool) -> None:
        if begins_anew and self._has_text:
            self._say("the text begins anew")
        sys.stdout.write(text)
        sys.stdout.flush()
        self._has_text = True
        self._line_is_open = not text.endswith("\n")

    def _usage(self, usage: dict[str, Any]) -> None:
        tokens, cost = usage.get("tokens_used"), usage.get("cost_usd")
        if tokens is not None:
            self._say(f"{number(tokens)} tokens{f', {money(cost)}' if cost is not None else ''}")

    def _end(self, result: dict[str, Any]) -> None:
        self._close_line()
        status = "completed" if result.get("success") else "failed"
        data = None if self._has_text else result.get("data")
        write_result({"status": status, "result": {"data": data, "error": result.get("error")}})

    def _say(self, words: str) -> None:
        self._close_line()
        self._beside.print(f"[dim]{escape(words)}[/]", soft_wrap=True)

    def _close_line(self) -> None:
        if self._line_is_open:
            sys.stdout.write("\n")
            sys.stdout.flush()
            self._line_is_open = False
