"""The connection of a worker to its provider, and how it stands."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from typing import ClassVar

from vera_orchestrator.enums import WorkerCapability, WorkerStatus
from vera_orchestrator.errors import NotConfigured, VeraError, WorkerUnavailable
from vera_orchestrator.models import WorkerConfig
from vera_orchestrator.pricing import PriceOverrides
from vera_orchestrator.workers.llm.base import Adapter, ListedModel
from vera_orchestrator.workers.llm.costs import Costs
from vera_orchestrator.workers.llm.names import known_names
from vera_orchestrator.workers.metered import MeteredWorker

PROBE_SECONDS = 3


class ConnectedWorker(MeteredWorker):
    """Holds the adapter from `start` to `stop`, and lists the provider's models to see how it is.

    Where `needs_list` is False a provider without a list is well too. A key that is refused makes the status ERROR, a
    provider that does not answer OFFLINE; the next list that comes makes it IDLE again. `prices` were set.
    """

    needs_list: ClassVar[bool]

    def __init__(
        self,
        worker_id: str,
        capabilities: Iterable[WorkerCapability | str],
        config: WorkerConfig,
        *,
        prices: PriceOverrides,
    ) -> None:
        super().__init__(worker_id, capabilities, config)
        self.models = ()
        self._costs = Costs(overrides=prices)
        self._adapter: Adapter | None = None

    @property
    def models(self) -> Sequence[ListedModel]:
        """The models that the provider listed, as of the last health check."""
        return self._models

    @models.setter
    def models(self, listed: Sequence[ListedModel]) -> None:
        self._models = tuple(listed)
        self._names = known_names(model.name for model in listed)

    @abstractmethod
    def _connect(self) -> Adapter:
        """Make the adapter; runs in a thread, sends nothing. Raises NotConfigured."""

    async def start(self) -> bool:
        """Make the client and see whether the provider answers; if not, `status_reason` says why."""
        self.status = WorkerStatus.STARTING
        if self._adapter is None:
            try:
                # the first import of a client takes a second, that of the prices 0.2 s
                self._adapter, self._costs = await asyncio.to_thread(self._connected)
            except NotConfigured as error:
                return self._away(WorkerStatus.ERROR, error)
        return await self.health_check()

    async def stop(self) -> bool:
        """Close the connections."""
        adapter, self._adapter = self._adapter, None
        self.status = WorkerStatus.OFFLINE
        if adapter is not None:
            await adapter.close()
        return True

    async def health_check(self) -> bool:
        """List the provider's models: free, and enough to see whether it answers and takes the key."""
        adapter = self._adapter
        if adapter is None:
            return False
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                self.models = await adapter.models(seconds=PROBE_SECONDS)
        except (TimeoutError, WorkerUnavailable):
            return self._away(WorkerStatus.OFFLINE, adapter.unreachable())
        except NotConfigured as error:
            return self._away(WorkerStatus.ERROR, error)
        except VeraError as error:  # servers without a list, or with an odd one, can still answer calls
            if self.needs_list:
                return self._away(WorkerStatus.ERROR, error)
        if self._adapter is not adapter:
            return False  # stopped meanwhile
        if self.status is not WorkerStatus.MAINTENANCE:
            self.status = WorkerStatus.BUSY if self.running else WorkerStatus.IDLE
            self.status_reason = None
        return True

    def _connected(self) -> tuple[Adapter, Costs]:
        adapter = self._connect()
        costs = Costs(overrides=self._costs.overrides, own=adapter.own_price, provider=adapter.pricing_provider)
        return adapter, costs

    def _away(self, status: WorkerStatus, error: VeraError) -> bool:
        if self.status is not WorkerStatus.MAINTENANCE:
            self.status, self.status_reason = status, str(error)
        return False
