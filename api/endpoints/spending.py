"""Money, tokens and limits."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from functools import reduce
from operator import add
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query

from api.callers import Reader
from api.endpoints.common import RunningOrchestrator
from api.guard import GuardedRoute
from api.moments import Moment, in_utc
from api.responses import Json
from api.spending_models import LimitsAnswer, SpendingAnswer
from vera_orchestrator.callers import Scope
from vera_orchestrator.errors import InvalidValue
from vera_orchestrator.journal.accounts import NAMES
from vera_orchestrator.journal.spending import Dimension, Spending
from vera_orchestrator.money import from_nanos
from vera_orchestrator.reservation import Measure
from vera_orchestrator.runtime.accounts import LimitStanding
from vera_orchestrator.windows import moment

DAY = "day"
BY = (DAY, *(str(one) for one in Dimension))
USUAL_DAYS = 30
USUAL_ROWS, MOST_ROWS = 1_000, 10_000
SECONDS = {"minute": 60, "hour": 3_600, "day": 86_400}
PARAMETERS: dict[Dimension, str] = {**NAMES, Dimension.TAG: "tag"}

router = APIRouter(route_class=GuardedRoute, tags=["spending"])


@router.get("/spend", response_model=SpendingAnswer, summary="What was spent")
async def spend(
    orchestrator: RunningOrchestrator,
    caller: Reader,
    by: Annotated[str, Query(description=f"What to tell apart, separated by commas: {', '.join(BY)}.")] = DAY,
    since: Annotated[Moment, Query(description="The first time (ISO 8601); 30 days by default.")] = None,
    until: Annotated[Moment, Query(description="The time up to and without which; now by default.")] = None,
    limit: Annotated[int, Query(ge=1, le=MOST_ROWS)] = USUAL_ROWS,
) -> Json:
    """Return requests, tokens and money that language models have used; a caller who may not manage sees its own.

    Times without an offset are in the time zone of the limits (`llm_time_zone`).
    """
    accounts = orchestrator.accounts
    names, zone = _names(by), accounts.zone
    end = in_utc(until, "until", zone) or datetime.now(UTC)
    begin = in_utc(since, "since", zone) or _days_before(end, zone)
    by_names = [Dimension(name) for name in names if name != DAY]
    mine = None if caller.may(Scope.MANAGE) else caller.id
    found = await accounts.spending(begin, end, by=by_names, by_day=DAY in names, caller=mine)
    totals = (
        await accounts.spending(begin, end, caller=mine) if Dimension.TAG in by_names else found
    )  # what has two tags would be counted twice
    rows = [
        {
            **({} if one.day is None else {DAY: one.day.isoformat()}),
            **{PARAMETERS[name]: getattr(one.spending, PARAMETERS[name]) for name in by_names},
            **_numbers(one.spending),
        }
        for one in found[:limit]
    ]
    return Json(
        {
            "by": names,
            "since": begin,
            "until": end,
            "time_zone": zone.key,
            "rows": rows,
            "totals": _numbers(reduce(add, (one.spending for one in totals), Spending())),
            "truncated": len(found) > limit,
        }
    )


@router.get("/limits", response_model=LimitsAnswer, summary="How the limits stand")
async def limits(orchestrator: RunningOrchestrator, caller: Reader) -> Json:
    """Return every limit that is set on what language models use, with what is left of it."""
    quotas = {} if caller.quota is None or caller.id is None else {caller.id: caller.quota}
    if caller.may(Scope.MANAGE):
        valid = [row for row in await orchestrator.keys.list() if row.is_valid(time.time())]
        quotas = {row.id: row.quota for row in valid if row.quota is not None}
    return Json({"limits": [_limit(one) for one in await orchestrator.accounts.limits(quotas)]})


def _names(by: str) -> list[str]:
    names = list(dict.fromkeys(name.strip() for name in by.split(",") if name.strip()))
    unknown = [name for name in names if name not in BY]
    if unknown:
        raise InvalidValue(
            f"{unknown[0]!r} is nothing to tell spending apart by.", field="by", remedy=f"Use some of {', '.join(BY)}."
        )
    return names


def _days_before(end: datetime, zone: ZoneInfo) -> datetime:
    midnight = end.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    return (midnight - timedelta(days=USUAL_DAYS - 1)).astimezone(UTC)


def _numbers(spending: Spending) -> dict[str, Any]:
    usage = spending.usage
    return {
        "requests": spending.requests,
        "tokens": spending.tokens,
        "input_tokens": usage.whole_input,
        "output_tokens": usage.whole_output,
        "cached_tokens": usage.cache_read,
        "cost_usd": float(from_nanos(spending.cost)),
        "estimated_requests": spending.estimated_requests,
        "unpriced_requests": spending.unpriced_requests,
    }


def _limit(one: LimitStanding) -> dict[str, Any]:
    standing, limit = one.standing, one.standing.limit
    return {
        "scope": one.kind,
        "name": one.name,
        "measure": limit.measure,
        "per": limit.window,
        "window_seconds": SECONDS[limit.window],
        "limit": _amount(limit.measure, limit.most),
        "used": _amount(limit.measure, standing.used),
        "remaining": _amount(limit.measure, standing.remaining),
        "resets_at": None if standing.resets_at is None else moment(standing.resets_at),
    }


def _amount(measure: Measure, amount: int) -> float | int:
    return float(from_nanos(amount)) if measure is Measure.COST else amount
