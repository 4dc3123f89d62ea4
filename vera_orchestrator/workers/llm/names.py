"""Which model a task means, and whether a worker has it: pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from functools import lru_cache

from vera_orchestrator.pricing import price_of
from vera_orchestrator.providers import KINDS, kind_of
from vera_orchestrator.usage import Usage
from vera_orchestrator.workers.llm.kinds import ADAPTERS, PRICE_LISTS

_DATE = re.compile(r"-(\d{8}|\d{4}-\d{2}-\d{2})$", re.ASCII)
_WORKER = re.compile(rf"({'|'.join(sorted(ADAPTERS))})-[0-9a-f]{{10}}", re.ASCII)
_NONE = Usage()


def known_names(models: Iterable[str]) -> frozenset[str]:
    """Return the names under which models may be asked for: their own, and of dated ones those without the date."""
    names: set[str] = set()
    for model in models:
        name = plain(model)
        names.add(name)
        undated = _DATE.sub("", name)
        if undated != name:
            names |= {undated, f"{undated}-latest"}
    return frozenset(names)


def plain(model: str) -> str:
    """Return a name without what means nothing."""
    return model.removeprefix("models/").removesuffix(":latest")


def own_name(reference: str, *, kind: str, worker_id: str, known: Collection[str]) -> str | None:
    """Return the model that a reference (a model, kind/model, worker-id/model) means to a worker; None: another's.

    Names of models hold slashes too: the whole is taken where the worker knows it, or nobody is named by its beginning.
    """
    if plain(reference) in known:
        return reference
    if reference.startswith(f"{worker_id}/"):
        return reference.removeprefix(f"{worker_id}/")
    prefix, _, rest = reference.partition("/")
    if not rest:
        return reference
    if kind_of(prefix) == kind:
        return rest
    return None if kind_of(prefix) in KINDS or _WORKER.fullmatch(prefix) else reference


@lru_cache(maxsize=1024)
def is_anothers(kind: str, model: str) -> bool:
    """Return whether a model is on the price list of other kinds of provider only."""
    sellers = {other for other, prices in PRICE_LISTS.items() if price_of(prices, plain(model), _NONE) is not None}
    return bool(sellers) and kind not in sellers
