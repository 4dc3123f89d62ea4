"""What the translations of all providers' protocols are made of."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Lenient(BaseModel):
    """A part of an answer; read from JSON, or from what the client made of it. What is not named is ignored."""

    model_config = ConfigDict(from_attributes=True)
