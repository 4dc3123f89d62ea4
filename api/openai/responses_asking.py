"""From a request of the Responses API to a task: pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, cast

from api.openai.asking import further_of, task_of
from api.openai.responses_bodies import ResponseRequest
from BackgroundCognition.orchestrator import Task
from vera_orchestrator.errors import InvalidValue

TEXTS = frozenset({"input_text", "output_text", "text"})


def response_task(body: ResponseRequest, classes: Collection[str]) -> Task:
    """Return the task of a request; `classes` are those of the settings. Raises InvalidValue, naming the field."""
    optional = further_of(body)
    effort = (body.reasoning or {}).get("effort")
    if effort is not None:
        optional["reasoning_effort"] = effort
    payload: dict[str, Any] = {
        "messages": messages_of(body.input),
        "system": body.instructions,
        "temperature": body.temperature,
        "max_tokens": body.max_output_tokens,
        "response_format": format_of(body.text),
        "tools": [_tool(tool, f"tools.{number}") for number, tool in enumerate(body.tools or ())] or None,
        "tool_choice": body.tool_choice,
        "stream": body.stream or None,
        "cache": body.cache or None,
    }
    return task_of(body.model, payload, optional, classes)


def messages_of(given: str | list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a conversation as chat completions have it; calls that follow each other are of one message."""
    if isinstance(given, str):
        return [{"role": "user", "content": given}]
    messages: list[dict[str, Any]] = []
    for number, item in enumerate(given):
        match item.get("type"):
            case None | "message":
                content = _content(item.get("content"))
                messages.append({"role": item.get("role"), "content": content})
            case "function_call":
                if not (messages and "tool_calls" in messages[-1]):
                    messages.append({"role": "assistant", "tool_calls": []})
                messages[-1]["tool_calls"].append(_call(item))
            case "function_call_output":
                told = {"role": "tool", "tool_call_id": item.get("call_id"), "content": _content(item.get("output"))}
                messages.append(told)
            case "reasoning":
                continue  # it is the provider's own, and was not kept
            case kind:
                raise InvalidValue(
                    f"{kind!r} is not supported here.",
                    field=f"input.{number}.type",
                    remedy="Give messages, function_call and function_call_output.",
                )
    return messages


def format_of(text: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return the form of the answer as chat completions have it."""
    form = (text or {}).get("format")
    if not isinstance(form, Mapping):
        return None
    asked = cast("Mapping[str, Any]", form)
    match asked.get("type"):
        case "text":
            return None
        case "json_schema":
            return {"type": "json_schema", "json_schema": {"schema": asked.get("schema")}}
        case kind:
            return {"type": kind}


def _content(content: Any) -> Any:
    if not isinstance(content, list):
        return content
    return [_part(part) for part in cast("list[Any]", content)]


def _part(part: Any) -> Any:
    if not isinstance(part, Mapping):
        return part
    value = cast("Mapping[str, Any]", part)
    return {"type": "text", "text": value.get("text")} if str(value.get("type")) in TEXTS else dict(value)


def _call(item: Mapping[str, Any]) -> dict[str, Any]:
    function = {"name": item.get("name"), "arguments": item.get("arguments")}
    signature = {"signature": item["signature"]} if item.get("signature") else {}
    return {"id": item.get("call_id"), "type": "function", "function": function, **signature}


def _tool(tool: Mapping[str, Any], field: str) -> dict[str, Any]:
    if tool.get("type") != "function":
        raise InvalidValue(
            f"{tool.get('type')!r} is not supported here.", field=f"{field}.type", remedy="Give functions."
        )
    return {"type": "function", "function": {name: value for name, value in tool.items() if name != "type"}}
