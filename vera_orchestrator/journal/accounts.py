"""How the ledger answers what people ask of it; the same for every store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from vera_orchestrator.journal.booking import Book, Span
from vera_orchestrator.journal.ledger_rows import Entry
from vera_orchestrator.journal.spending import Dimension, Spending, SpendingQuery, Standing
from vera_orchestrator.quota import Limit, Limits
from vera_orchestrator.reservation import Amounts, ReservationState
from vera_orchestrator.usage import Usage
from vera_orchestrator.windows import Window

NAMES: Mapping[Dimension, str] = {
    Dimension.WORKER: "worker_id",
    Dimension.PROVIDER: "provider",
    Dimension.MODEL: "model",
    Dimension.CALLER: "caller",
}
"""The fields of what can be told apart by; a tag is one of several."""


def merged(found: Iterable[tuple[Spending, Sequence[str]]], query: SpendingQuery) -> list[Spending]:
    """Return spending with its tags as one for each set of names, by period, the largest first."""
    sums: dict[tuple[object, ...], Spending] = {}
    for spending, tags in found:
        for tag in (sorted(set(tags)) or [None]) if Dimension.TAG in query.by else [None]:
            one = replace(spending, tag=tag)
            names = (one.period, one.worker_id, one.provider, one.model, one.caller, tag)
            sums[names] = sums[names] + one if names in sums else one
    used = [one for one in sums.values() if not one.is_nothing]
    return sorted(used, key=lambda one: (one.period, -one.cost, -one.tokens, -one.requests, _named(one)))


def _named(one: Spending) -> tuple[str, ...]:
    return tuple(name or "" for name in (one.worker_id, one.provider, one.model, one.caller, one.tag))


def spending_of(entry: Entry, period: int, query: SpendingQuery) -> Spending:
    """Return what one attempt adds, under the names that are asked for."""
    requests = entry.amounts.requests
    return Spending(
        period=period,
        **{NAMES[one]: getattr(entry, NAMES[one]) for one in query.by if one in NAMES},
        requests=requests,
        tokens=entry.amounts.tokens,
        cost=entry.amounts.cost or 0,
        usage=replace(entry.usage or Usage(), estimated=False),
        estimated_requests=0 if entry.state is ReservationState.SETTLED else requests,
        unpriced_requests=requests if entry.amounts.cost is None else 0,
    )


def standings(book: Book, now: int, asked: Sequence[tuple[str, Limits]]) -> list[Standing]:
    """Return how much is used now of each limit that is set."""
    spans = {(scope, limit): Span.of(scope, limit, now, 0) for scope, limits in asked for limit in limits.each()}
    sums: Mapping[Span, Amounts] = book.sums(set(spans.values())) if spans else {}
    found: list[Standing] = []
    for (scope, limit), span in spans.items():
        used = sums[span].of(limit.measure) if span in sums else 0
        found.append(Standing(scope=scope, limit=limit, used=used, resets_at=_reset(book, span, limit, now, used)))
    return found


def _reset(book: Book, span: Span, limit: Limit, now: int, used: int) -> int | None:
    if not used:
        return None
    if limit.window is Window.DAY:
        return limit.counted_until(now)
    return limit.counted_until(max(use.at for use in book.uses(span)))
