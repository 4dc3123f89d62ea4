"""An orchestrator whose workers come from Prefect's blocks and the environment too."""

from __future__ import annotations

import logging
import os

from blocks.environment import providers_in
from blocks.llm_provider import LLMProvider
from blocks.registrations import Registrations, keep_usage
from vera_orchestrator.errors import InvalidValue
from vera_orchestrator.runtime.orchestrator import Orchestrator
from vera_orchestrator.runtime.parts import Outside
from vera_orchestrator.workers.llm import LLMAPIWorker
from vera_orchestrator.workers.llm.worker import LLMWorker

logger = logging.getLogger(__name__)


class BlockOrchestrator(Orchestrator):
    """Takes its workers from the settings, from keys in the environment, and from the blocks of the Prefect server.

    The blocks are read when it starts; with Prefect switched off there are none.
    """

    def __init__(self, given: Outside) -> None:
        super().__init__(given)
        if self.config.llm_keys_from_environment:
            self._add_environment()
        of_settings = [worker for worker in self.worker_registry.get_all_workers() if isinstance(worker, LLMWorker)]
        self._registrations = Registrations(self.config, self.worker_registry, of_settings)

    async def register_provider(self, provider: LLMProvider) -> LLMAPIWorker:
        """Add the worker of a key, at once, and have its block written in the background.

        The same credential again updates its worker and its block. Raises InvalidValue, naming the field.
        """
        worker = provider.worker(self.config)
        keep_usage(worker, self.worker_registry.get_worker(worker.worker_id))
        await self.worker_registry.register(worker)
        self._registrations.put(worker.worker_id, provider)
        return worker

    async def unregister_llm_api(self, worker_id: str) -> bool:
        """Remove the worker of a cloud LLM API here, and its block; return whether the worker was there.

        Other processes keep their worker of this key until they are started again, and a key in the environment comes
        back with the next start. Raises InvalidValue for the id of a worker of another kind.
        """
        worker = self.worker_registry.get_worker(worker_id)
        if worker is not None and not isinstance(worker, LLMAPIWorker):
            raise InvalidValue(
                f"{worker_id!r} is the id of a worker of another kind.",
                field="worker_id",
                remedy="Call worker_registry.unregister().",
            )
        self._registrations.remove(worker_id)
        return await self.worker_registry.unregister(worker_id)

    async def _start(self) -> None:
        self._registrations.open()  # read beside what follows, so that it adds nothing to the start
        try:
            await super()._start()
        except BaseException:
            await self._registrations.close()
            raise
        try:
            await self._registrations.place()
        except BaseException:  # whoever called it has gone away
            await self._stop()
            raise

    async def _stop(self) -> None:
        await self._registrations.close()
        await super()._stop()

    def _add_environment(self) -> None:
        for provider in providers_in(os.environ):
            try:
                self.worker_registry.add(provider.worker(self.config))
            except InvalidValue as error:
                logger.warning("the key for %s in the environment cannot be used: %s", provider.kind, error)
