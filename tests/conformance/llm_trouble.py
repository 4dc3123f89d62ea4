"""What an adapter makes of a provider in trouble."""

from __future__ import annotations

from typing import ClassVar

import pytest

from tests.conformance.llm_calls import SECONDS, ask, call, configure, embedding
from vera_orchestrator.errors import (
    InvalidPayload,
    NotConfigured,
    NotFound,
    TaskFailed,
    TaskTimeout,
    VeraError,
    WorkerUnavailable,
)
from vera_orchestrator.simulator.simulator import Simulator
from vera_orchestrator.workers.llm.base import Adapter

REFUSALS: list[tuple[int, type[VeraError]]] = [
    (400, InvalidPayload),
    (401, NotConfigured),
    (403, NotConfigured),
    (404, NotFound),
    (408, TaskFailed),
    (429, TaskFailed),
    (500, TaskFailed),
    (503, TaskFailed),
    (529, TaskFailed),
]


class TroubleSuite:
    """Refusals and broken connections; nothing is tried twice."""

    has_key: ClassVar[bool] = True

    @pytest.mark.parametrize(("status", "kind"), REFUSALS)
    async def test_a_refusal_is_our_error(
        self, adapter: Adapter, simulator: Simulator, status: int, kind: type[VeraError]
    ) -> None:
        configure(simulator, errors=[status])
        with pytest.raises(kind) as caught:
            await ask(adapter)
        assert caught.value.retryable is (kind is TaskFailed)
        assert len(simulator.seen) == 1

    async def test_a_full_provider_says_when_to_come_back(self, adapter: Adapter, simulator: Simulator) -> None:
        configure(simulator, errors=[429], retry_after=7)
        with pytest.raises(TaskFailed) as caught:
            await ask(adapter)
        assert caught.value.retry_after == 7

    async def test_a_full_provider_that_says_nothing_leaves_it_open(
        self, adapter: Adapter, simulator: Simulator
    ) -> None:
        configure(simulator, errors=[429], retry_after=None)
        with pytest.raises(TaskFailed) as caught:
            await ask(adapter)
        assert caught.value.retry_after is None

    @pytest.mark.parametrize("fault", ["malformed", "cut", "reset"])
    async def test_an_answer_that_cannot_be_read_is_worth_another_attempt(
        self, adapter: Adapter, simulator: Simulator, fault: str
    ) -> None:
        configure(simulator, errors=[fault])
        with pytest.raises(TaskFailed) as caught:
            await ask(adapter)
        assert caught.value.retryable
        assert len(simulator.seen) == 1

    async def test_a_hang_is_a_timeout(self, adapter: Adapter, simulator: Simulator) -> None:
        configure(simulator, errors=["hang"])
        with pytest.raises(TaskTimeout):
            await adapter.answer(call(), seconds=0.2)

    async def test_an_unknown_model_is_not_found(self, adapter: Adapter, simulator: Simulator) -> None:
        configure(simulator, models=["other"])
        with pytest.raises(NotFound):
            await ask(adapter)

    async def test_a_wrong_key_is_refused_everywhere(self, adapter: Adapter, simulator: Simulator) -> None:
        if not self.has_key:
            return
        configure(simulator, key="another")
        with pytest.raises(NotConfigured):
            await ask(adapter)
        with pytest.raises(NotConfigured):
            await adapter.models(seconds=SECONDS)

    async def test_a_refused_list_is_our_error(self, adapter: Adapter, simulator: Simulator) -> None:
        configure(simulator, list_status=501)
        with pytest.raises(VeraError):
            await adapter.models(seconds=SECONDS)

    async def test_embeddings_are_refused_like_answers(self, adapter: Adapter, simulator: Simulator) -> None:
        configure(simulator, errors=[429])
        with pytest.raises((TaskFailed, InvalidPayload)):
            await adapter.embed(embedding("one"), seconds=SECONDS)

    async def test_an_address_where_nothing_answers_is_named(self, away: Adapter) -> None:
        with pytest.raises(WorkerUnavailable, match=r"127\.0\.0\.1"):
            await ask(away)
        with pytest.raises(WorkerUnavailable):
            await away.models(seconds=SECONDS)
