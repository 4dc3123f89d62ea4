"""Requests as they come: what the simulator reads of a body; the rest may be there and is not looked at."""

from __future__ import annotations

import json
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from vera_orchestrator.simulator.faults import Refused


class Form(BaseModel):
    """A request's body, or a part of one."""

    model_config = ConfigDict(frozen=True, extra="ignore")


FormT = TypeVar("FormT", bound=Form)


def parsed(body: bytes, form: type[FormT]) -> FormT:
    """Return a body in its form; raises Refused (400) naming the first field at fault."""
    try:
        return form.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = ".".join(str(part) for part in first["loc"])
        raise Refused(400, f"{name}: {first['msg']}", code="invalid_request") from None


def dumped(value: object) -> str:
    """Return a value as the text that is counted; nothing for nothing."""
    return json.dumps(value) if value else ""
