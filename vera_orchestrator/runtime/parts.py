"""The parts of a task's life, made anew for each start of an orchestrator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, partial

from vera_orchestrator.engine.base import Engine
from vera_orchestrator.journal.base import Journal
from vera_orchestrator.keys import Keys
from vera_orchestrator.routing import TaskRouter
from vera_orchestrator.runtime.attempt import Attempts
from vera_orchestrator.runtime.capacity import Capacity
from vera_orchestrator.runtime.deliverer import Deliverer
from vera_orchestrator.runtime.dispatcher import Dispatcher
from vera_orchestrator.runtime.events import Events
from vera_orchestrator.runtime.execution import Executions
from vera_orchestrator.runtime.intake import Intake
from vera_orchestrator.runtime.live import LiveTasks
from vera_orchestrator.runtime.metering import Metering
from vera_orchestrator.runtime.ownership import Ownership
from vera_orchestrator.runtime.progress import Progress
from vera_orchestrator.runtime.recovery import Recovery, Scope
from vera_orchestrator.runtime.services import Services
from vera_orchestrator.runtime.settlement import Hooks, Settlement
from vera_orchestrator.runtime.submission import Submission
from vera_orchestrator.runtime.telling import Telling
from vera_orchestrator.runtime.transcripts import Transcripts
from vera_orchestrator.secrets import Sealer
from vera_orchestrator.settings import OrchestratorConfig
from vera_orchestrator.workers.registry import WorkerRegistry


@dataclass(frozen=True, kw_only=True)
class Outside:
    """What an orchestrator is given: settings, the ports, and the user's own pieces."""

    config: OrchestratorConfig
    journal: Journal
    engine: Engine
    sealer: Sealer
    registry: WorkerRegistry
    router: TaskRouter
    scope: Scope
    hooks: Hooks
    events: Events = field(default_factory=Events)

    @cached_property
    def transcripts(self) -> Transcripts:
        """What streamed tasks say; like the events it outlives each start."""
        return Transcripts(self.events)


@dataclass(frozen=True, kw_only=True)
class Parts:
    """One step of a task's life each."""

    live: LiveTasks
    ownership: Ownership
    progress: Progress
    capacity: Capacity
    dispatcher: Dispatcher
    submission: Submission
    recovery: Recovery
    services: Services
    deliverer: Deliverer

    def workers_changed(self) -> None:
        """Look again at who can run what."""
        self.capacity.workers_changed()
        self.dispatcher.workers_changed()
        self.services.want_claim()


def assemble(given: Outside, keys: Keys, *, taken_over: Callable[[], None], lost: Callable[[], None]) -> Parts:
    """Return the parts, connected."""
    config, journal, engine, events = given.config, given.journal, given.engine, given.events
    live = LiveTasks()
    ownership = Ownership(journal, config, seal=given.sealer.fingerprint, taken_over=taken_over, lost=lost)
    telling = Telling(given.sealer)
    progress = Progress(
        settings=config,
        journal=journal,
        engine=engine,
        live=live,
        ownership=ownership,
        events=events,
        telling=telling,
    )
    capacity = Capacity(given.registry, given.router, config, lambda: engine.limits)
    attempts = Attempts(config, given.sealer, progress.upstream, keys.secrets_of)
    settlement = Settlement(journal, config, given.hooks, progress.ended, telling)
    executions = partial(
        Executions,
        settings=config,
        capacity=capacity,
        engine=engine,
        journal=journal,
        attempts=attempts,
        metering=Metering(config, journal, attempts, settlement.surely, keys, events, given.transcripts),
        settlement=settlement,
        lost=progress.lost,
        events=events,
    )
    dispatcher = Dispatcher(
        settings=config,
        capacity=capacity,
        executions=executions,
        no_worker=progress.no_worker,
        weight_of=keys.weight,
        events=events,
    )
    progress.attach(dispatcher)
    submission = Submission(
        settings=config,
        journal=journal,
        engine=engine,
        intake=Intake(given.sealer),
        live=live,
        ownership=ownership,
        progress=progress,
    )
    recovery = Recovery(
        settings=config,
        journal=journal,
        engine=engine,
        capacity=capacity,
        live=live,
        ownership=ownership,
        progress=progress,
        keys=keys,
        scope=given.scope,
    )
    deliverer = Deliverer(config, journal, given.sealer, keys.secrets_of)
    telling.written = deliverer.wake
    services = Services(
        settings=config,
        journal=journal,
        registry=given.registry,
        live=live,
        ownership=ownership,
        progress=progress,
        recovery=recovery,
        deliverer=deliverer,
    )
    progress.look_elsewhere = services.want_claim
    return Parts(
        live=live,
        ownership=ownership,
        progress=progress,
        capacity=capacity,
        dispatcher=dispatcher,
        submission=submission,
        recovery=recovery,
        services=services,
        deliverer=deliverer,
    )
