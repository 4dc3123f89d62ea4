"""What a Prefect server should have, read from the YAML files beside this module."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from vera_orchestrator.errors import InvalidValue, NotFound

FOLDER = files("deployments")


@dataclass(frozen=True, kw_only=True)
class QueuePlan:
    """A work queue; the lower `priority` is served first."""

    name: str
    priority: int


@dataclass(frozen=True, kw_only=True)
class PoolPlan:
    """A work pool. `variables` are defaults for those of the type's job template; `default`: applied unasked."""

    name: str
    type: str
    description: str
    default: bool = False
    variables: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Work pools with their queues, and the limits by task type."""

    queues: Sequence[QueuePlan]
    pools: Sequence[PoolPlan]
    limits: Mapping[str, int]

    def chosen(self, names: Collection[str]) -> Sequence[PoolPlan]:
        """Return the named pools, or those applied by default if none is named. Raises NotFound."""
        known = {pool.name: pool for pool in self.pools}
        for name in names:
            if name not in known:
                raise NotFound(f"no work pool {name!r} is planned.", field="pool", remedy=f"Use {', '.join(known)}.")
        return [known[name] for name in names] or [pool for pool in self.pools if pool.default]


def read_plan() -> Plan:
    """Return the plan of the YAML files; raises InvalidValue, naming the entry, for one that does not fit."""
    fields = {**_yaml("pools.yaml"), **_yaml("limits.yaml")}
    try:
        return TypeAdapter(Plan).validate_python(fields, extra="forbid")
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise InvalidValue(f"{first['msg']}.", field=".".join(str(part) for part in first["loc"])) from None


def _yaml(name: str) -> dict[str, Any]:
    return yaml.safe_load(FOLDER.joinpath(name).read_text(encoding="utf-8"))
