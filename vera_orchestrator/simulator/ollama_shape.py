"""Ollama's shape: https://docs.ollama.com/api."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from ollama import ChatResponse, EmbedResponse, GenerateResponse, ListResponse, ProcessResponse, ProgressResponse
from ollama import ShowResponse as Shown
from pydantic import BaseModel

from vera_orchestrator.simulator.conversation import MARK, Finish, Talk, vector
from vera_orchestrator.simulator.faults import Refused
from vera_orchestrator.simulator.ollama_request import Embed
from vera_orchestrator.simulator.simulator import Limits
from vera_orchestrator.simulator.wire import MALFORMED, Frame, line

SHOWN_MODELS = ("llama3.2:latest", "nomic-embed-text:latest")
VERSION = "0.0.0-simulated"
SIZE = 1_000_000
NOT_PULLABLE = "pull model manifest: file does not exist"
_STEPS = 4
_DETAILS = {"format": "simulated", "family": "simulated", "parameter_size": "0B", "quantization_level": "none"}
_FINISH: Mapping[Finish, str] = {
    Finish.STOP: "stop",
    Finish.LENGTH: "length",
    Finish.TOOL: "stop",
    Finish.FILTERED: "stop",
}


class OllamaShape:
    """What is Ollama's own: no keys, no request ids, no limits."""

    name = "ollama"
    stream_type = "application/x-ndjson"

    def key(self, headers: Mapping[str, str], query: Mapping[str, str]) -> str | None:
        """Return None: there are no keys."""
        del headers, query

    def error(self, refused: Refused, number: int) -> dict[str, Any]:
        """Return the body of an error."""
        del number
        return {"error": refused.message}

    def headers(self, number: int, limits: Limits | None) -> dict[str, str]:
        """Return nothing."""
        del number, limits
        return {}

    def frame(self, value: dict[str, Any]) -> bytes:
        """Return a line."""
        return line(value)

    def broken_frame(self) -> bytes:
        """Return a line that cannot be read."""
        return MALFORMED + b"\n"


def chat_text(talk: Talk, text: str) -> dict[str, Any]:
    """Return what a chat response, or a part of one, says."""
    call, message = talk.answer.call, {"role": "assistant", "content": text}
    if call is not None and not text:
        return {"message": message | {"tool_calls": [{"function": {"name": call.name, "arguments": call.arguments}}]}}
    return {"message": message}


def generate_text(_: Talk, text: str) -> dict[str, Any]:
    """Return what a generate response, or a part of one, says."""
    return {"response": text}


Says = Callable[[Talk, str], dict[str, Any]]


def whole(talk: Talk, says: Says, reason: str | None = None) -> dict[str, Any]:
    """Return a whole answer; `reason` is given where a model is only loaded or unloaded."""
    said = says(talk, talk.answer.text) if reason is None else says(talk, "")
    return _dump(_typed(_head(talk) | said | _end(talk, reason)))


def frames(talk: Talk, says: Says, reason: str | None = None) -> list[Frame]:
    """Return an answer as lines; the last one holds the reason and the counts."""
    texts = ("",) if talk.answer.call is not None else talk.answer.pieces
    parts = [] if reason else [_head(talk) | says(talk, text) | {"done": False} for text in texts]
    last = _head(talk) | says(talk, "") | _end(talk, reason)
    if "message" in last:
        last["message"] = {"role": "assistant", "content": ""}
    return [*(Frame(data=line(_dump(_typed(part))), tokens=1) for part in parts), Frame(data=line(_dump(_typed(last))))]


def embeddings(talk: Talk, body: Embed, *, dimensions: int, seed: int) -> dict[str, Any]:
    """Return one vector per text."""
    used = talk.answer.usage
    return _dump(
        EmbedResponse(
            model=talk.asked.model,
            embeddings=[vector(text, body.dimensions or dimensions, seed) for text in body.texts],
            prompt_eval_count=used.all_input if used else None,
            total_duration=1,
            load_duration=1,
        )
    )


def tags(names: Iterable[str]) -> dict[str, Any]:
    """Return the list of models."""
    models = [
        ListResponse.Model.model_validate(
            {"model": name, "modified_at": datetime(2000, 1, 1, tzinfo=UTC), "digest": digest(name), "size": SIZE}
            | {"details": _DETAILS}
        )
        for name in names
    ]
    listed = _dump(ListResponse(models=models))
    return {"models": [{"name": entry["model"], **entry} for entry in listed["models"]]}


def running(names: Iterable[str], now: datetime, context_length: int) -> dict[str, Any]:
    """Return the list of loaded models."""
    models = [
        ProcessResponse.Model.model_validate(
            {"model": name, "name": name, "digest": digest(name), "size": SIZE, "size_vram": 0, "details": _DETAILS}
            | {"expires_at": now + timedelta(minutes=5), "context_length": context_length}
        )
        for name in names
    ]
    return _dump(ProcessResponse(models=models))


def shown(name: str, context_length: int) -> dict[str, Any]:
    """Return what is said of a model."""
    can = ["embedding"] if "embed" in name else ["completion", "tools", "vision"]
    info = {"general.architecture": "simulated", "simulated.context_length": context_length}
    value = {"modelfile": f"# simulated {name}", "details": _DETAILS, "model_info": info, "capabilities": can}
    return _dump(Shown.model_validate(value))


def pulling(name: str, sizes: Iterable[int]) -> list[dict[str, Any]]:
    """Return the steps of a pull of layers of so many bytes."""
    steps: list[dict[str, Any]] = [{"status": "pulling manifest (simulated)"}]
    for number, size in enumerate(sizes):
        layer = digest(f"{name}/{number}")
        steps += [
            {"status": f"pulling {layer[:12]}", "digest": f"sha256:{layer}", "total": size}
            | {"completed": size * step // _STEPS}
            for step in range(_STEPS + 1)
        ]
    steps += [{"status": "verifying sha256 digest"}, {"status": "success"}]
    return [_dump(ProgressResponse.model_validate(step)) for step in steps]


def pulling_nothing() -> list[dict[str, Any]]:
    """Return the steps of a pull of a model that there is not: the error comes in a stream that has begun."""
    return [pulling("", ())[0], {"error": f"{MARK} {NOT_PULLABLE}"}]


def digest(name: str) -> str:
    """Return the digest that stands for a model."""
    return hashlib.sha256(name.encode()).hexdigest()


def _head(talk: Talk) -> dict[str, Any]:
    return {"model": talk.asked.model, "created_at": talk.at.isoformat().replace("+00:00", "Z")}


def _end(talk: Talk, reason: str | None) -> dict[str, Any]:
    used = None if reason else talk.answer.usage
    counts = {} if used is None else {"prompt_eval_count": used.all_input, "eval_count": used.all_output}
    times = {"total_duration": 3, "load_duration": 1, "prompt_eval_duration": 1, "eval_duration": 1}
    return {"done": True, "done_reason": reason or _FINISH[talk.answer.finish]} | counts | times


def _typed(value: dict[str, Any]) -> BaseModel:
    return (ChatResponse if "message" in value else GenerateResponse).model_validate(value)


def _dump(value: BaseModel) -> dict[str, Any]:
    return value.model_dump(mode="json", by_alias=True, exclude_none=True)
