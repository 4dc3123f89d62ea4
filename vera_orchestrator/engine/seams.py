"""Two places where Prefect takes a process for that of one flow run, made to look at the context first.

A flow run in the main thread has SIGTERM raise an exception in whatever runs just then, for as long as it is open, and
puts the handler of its beginning back at its end: in a host flow that would take the signal away from the program
around it. And one queue sends the events of a whole process, to the server it first knew. Outside the contexts of an
orchestrator both stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import Any

from prefect import flow_engine
from prefect.events.worker import EventsWorker

leaves_signals_alone: ContextVar[bool] = ContextVar("vera_leaves_signals_alone", default=False)
events_worker: ContextVar[Callable[[], EventsWorker] | None] = ContextVar("vera_events_worker", default=None)

_prefects_capture: Callable[[], AbstractContextManager[None]] = getattr(flow_engine, "capture_sigterm")  # noqa: B009
_prefects_instance: Callable[..., EventsWorker] = EventsWorker.instance.__func__


def install() -> None:
    """Make Prefect ask the two context variables; a second call changes nothing."""
    setattr(flow_engine, "capture_sigterm", _capture_sigterm)  # noqa: B010 - says to type checkers that it is meant
    setattr(EventsWorker, "instance", classmethod(_instance))  # noqa: B010


@contextmanager
def _capture_sigterm() -> Generator[None]:
    if leaves_signals_alone.get():
        yield
    else:
        with _prefects_capture():
            yield


def _instance(cls: type[EventsWorker], client_type: Any = None) -> EventsWorker:
    worker_of_context = events_worker.get()
    if client_type is None and worker_of_context is not None:
        return worker_of_context()
    return _prefects_instance(cls, client_type)
