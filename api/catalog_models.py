"""Bodies of answers about tools and models."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel


class ToolInList(BaseModel):
    """A tool; `parameters` is the JSON schema of its `tool_input`."""

    name: str
    description: str
    parameters: dict[str, Any]


class Tools(BaseModel):
    """The tools that tool_call tasks can call."""

    tools: list[ToolInList]
    count: int


class ModelInList(BaseModel):
    """A model that a worker lists; `is_default` marks the one it takes where a task names none."""

    id: str
    worker_id: str
    api_type: str
    status: str
    is_default: bool


class Models(BaseModel):
    """The models of all workers, and the names that stand for chains of models."""

    models: list[ModelInList]
    classes: dict[str, list[str]]
    count: int
