"""What was spent and how the limits stand, for whoever asks."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

from vera_orchestrator.errors import InvalidValue
from vera_orchestrator.journal.base import Journal
from vera_orchestrator.journal.spending import Dimension, Spending, SpendingQuery, Standing
from vera_orchestrator.models import APIQuota
from vera_orchestrator.quota import Limits
from vera_orchestrator.runtime.metering import BUDGET, EVERYTHING, KEY
from vera_orchestrator.settings import OrchestratorConfig
from vera_orchestrator.windows import day_of, micros, moment, zone_named
from vera_orchestrator.workers.llm.worker import LLMWorker
from vera_orchestrator.workers.registry import WorkerRegistry

MOST_DAYS = 400


class LimitKind(StrEnum):
    """Whom a limit holds for."""

    ALL = "all"
    PROVIDER = "provider"
    BUDGET = "budget"
    WORKER = "worker"
    KEY = "key"


@dataclass(frozen=True, kw_only=True, slots=True)
class LimitStanding:
    """How a limit of somebody stands; `name` is the provider's, the budget's, the worker's or the key's."""

    kind: LimitKind
    name: str | None
    standing: Standing


@dataclass(frozen=True, kw_only=True, slots=True)
class DatedSpending:
    """What was used; `day` is None where days are not told apart."""

    day: date | None
    spending: Spending


class Accounts:
    """Reads the ledger of a journal under the settings of one orchestrator. Raises JournalUnavailable."""

    def __init__(self, journal: Journal, registry: WorkerRegistry, settings: OrchestratorConfig) -> None:
        self._journal = journal
        self._registry = registry
        self._settings = settings

    @property
    def zone(self) -> ZoneInfo:
        """The time zone of its days."""
        return zone_named(self._settings.llm_time_zone)

    async def spending(
        self,
        since: datetime,
        until: datetime,
        *,
        by: Collection[Dimension] = (),
        by_day: bool = False,
        caller: str | None = None,
    ) -> list[DatedSpending]:
        """Return what was used from a time up to and without another, by day and then the most expensive first.

        Raises InvalidValue for more days than can be told apart.
        """
        begin, end = micros(since), micros(until)
        periods = days_between(begin, end, self.zone) if by_day else [(begin, end)]
        query = SpendingQuery(periods=periods, by=frozenset(by), caller=caller)
        days = [moment(start).astimezone(self.zone).date() if by_day else None for start, _ in periods]
        return [DatedSpending(day=days[one.period], spending=one) for one in await self._journal.ledger.spending(query)]

    async def limits(self, keys: Mapping[str, APIQuota] | None = None) -> list[LimitStanding]:
        """Return how each limit stands that is set; `keys` are the quotas of keys, by id."""
        places = self._places(keys or {})
        found = await self._journal.ledger.standing([(scope, limits) for _, _, scope, limits in places])
        known = {(one.scope, one.limit): one for one in found}
        return [
            LimitStanding(kind=kind, name=name, standing=known[scope, limit])
            for kind, name, scope, limits in places
            for limit in limits.each()
        ]

    def _places(self, keys: Mapping[str, APIQuota]) -> list[tuple[LimitKind, str | None, str, Limits]]:
        settings = self._settings
        quotas = [
            (LimitKind.ALL, None, EVERYTHING, settings.llm_limits),
            *(
                (LimitKind.PROVIDER, name, f"provider:{name}", one)
                for name, one in settings.llm_provider_limits.items()
            ),
            *((LimitKind.BUDGET, name, BUDGET + name, one) for name, one in settings.llm_budgets.items()),
            *((LimitKind.KEY, name, KEY + name, one) for name, one in keys.items()),
        ]
        workers = [one for one in self._registry.get_all_workers() if isinstance(one, LLMWorker)]
        return [
            *((kind, name, scope, Limits.of_quota(one, settings.llm_time_zone)) for kind, name, scope, one in quotas),
            *((LimitKind.WORKER, one.worker_id, one.scope, one.limits()) for one in workers),
        ]


def days_between(begin: int, end: int, zone: ZoneInfo) -> list[tuple[int, int]]:
    """Return the calendar days that a stretch of time (microseconds since 1970) touches, cut to it.

    Raises InvalidValue for too many.
    """
    days: list[tuple[int, int]] = []
    start = begin
    while start < end:
        if len(days) == MOST_DAYS:
            raise InvalidValue(
                f"More than {MOST_DAYS} days cannot be told apart.", field="since", remedy="Ask for a shorter time."
            )
        _, midnight = day_of(start, zone)
        days.append((start, min(midnight, end)))
        start = midnight
    return days
