"""What is answered to a request: a pure function of the settings, the request and its place in the script."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from vera_orchestrator.simulator.conversation import (
    MARK,
    Answer,
    Asked,
    Finish,
    ToolCall,
    Usage,
    input_tokens,
    pieces_of,
)
from vera_orchestrator.simulator.example import example
from vera_orchestrator.simulator.settings import Fault, Outcome, SimulatorSettings


def answer_to(settings: SimulatorSettings, asked: Asked, turn: int, outcome: Outcome) -> Answer:
    """Return the answer to a request, the `turn`-th since the settings were made; `outcome` may bend it."""
    if outcome == Fault.EMPTY:
        return _empty(settings, asked)
    if settings.call_tools and asked.tools:
        answer = _call(settings, asked)
    else:
        answer = _say(settings, asked, _text(settings, asked, turn))
    return replace(answer, finish=Finish.FILTERED) if outcome == Fault.FILTERED else answer


def usage_of(settings: SimulatorSettings, asked: Asked, output: int, reasoning: int = 0) -> Usage | None:
    """Return what is reported for so much output; None if nothing is."""
    if not settings.report_usage:
        return None
    counted = input_tokens(asked, settings.message_tokens)
    used = counted if settings.input_tokens is None else settings.input_tokens
    cache_read = min(settings.cached_tokens, used)
    cache_write = min(settings.cache_write_tokens, used - cache_read)
    if settings.output_tokens is not None and asked.max_tokens != 0:
        reasoning = min(settings.reasoning_tokens, settings.output_tokens)
        output = settings.output_tokens - reasoning
    return Usage(
        input=used - cache_read - cache_write,
        output=output,
        cache_read=cache_read,
        cache_write=cache_write,
        reasoning=reasoning,
    )


def _empty(settings: SimulatorSettings, asked: Asked) -> Answer:
    return Answer(pieces=(), finish=Finish.STOP, usage=usage_of(settings, asked, 0), empty=True)


def _call(settings: SimulatorSettings, asked: Asked) -> Answer:
    name, schema = next(iter(asked.tools.items()))
    call = ToolCall(name=name, arguments=example({**schema, "type": "object"}))
    written = len(pieces_of(json.dumps(call.arguments))) + 1
    reasoning, room = _reasoning(settings, asked)
    output = written if room is None else min(written, room)
    return Answer(pieces=(), finish=Finish.TOOL, usage=usage_of(settings, asked, output, reasoning), call=call)


def _say(settings: SimulatorSettings, asked: Asked, text: str) -> Answer:
    text, stopped_by = _until_stop(text, asked.stop)
    pieces = pieces_of(text)
    reasoning, room = _reasoning(settings, asked)
    finish = Finish.STOP
    if room is not None and len(pieces) > room:
        pieces, finish, stopped_by = pieces[:room], Finish.LENGTH, None
    usage = usage_of(settings, asked, len(pieces), reasoning)
    return Answer(pieces=pieces, finish=finish, usage=usage, stopped_by=stopped_by)


def _reasoning(settings: SimulatorSettings, asked: Asked) -> tuple[int, int | None]:
    """Return the tokens of reasoning, and how many are left for the answer."""
    if asked.max_tokens is None:
        return settings.reasoning_tokens, None
    reasoning = min(settings.reasoning_tokens, asked.max_tokens)
    return reasoning, asked.max_tokens - reasoning


def _text(settings: SimulatorSettings, asked: Asked, turn: int) -> str:
    scripted = settings.answers[turn % len(settings.answers)] if settings.answers else None
    if asked.schema is not None:
        return _json(asked.schema, scripted)
    return f"{MARK} {asked.prompt if scripted is None else scripted}"


def _json(schema: Mapping[str, Any], scripted: str | None) -> str:
    """Return JSON: what the script says if that is some, else a value that fits; the mark would make it no JSON."""
    if scripted is not None and _is_json(scripted):
        return scripted
    return json.dumps(example(schema or {"type": "object", "properties": {"simulated": {"type": "boolean"}}}))


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _until_stop(text: str, stops: tuple[str, ...]) -> tuple[str, str | None]:
    found = min(((text.find(stop), stop) for stop in stops if stop and stop in text), default=None)
    return (text, None) if found is None else (text[: found[0]], found[1])
