"""Somebody who follows a task reads what its model says, whether the task asked for a stream or not."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.llm.stage import KINDS, Fleet
from tests.support import soon
from vera_orchestrator.enums import TaskStatus
from vera_orchestrator.models import utcnow
from vera_orchestrator.runtime.following import Update, UpdateKind, follow
from vera_orchestrator.runtime.orchestrator import Orchestrator
from vera_orchestrator.simulator.running import Running

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def followed(one: Orchestrator, task_id: str) -> list[Update]:
    return [update async for update in follow(one, task_id)]


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("kind", KINDS)
async def test_text_and_use_come_in_pieces_and_then_the_result(
    fleet: Fleet, provider: Running, kind: str, stream: bool
) -> None:
    del provider
    await fleet.ready(kind)
    one, task = fleet.one, fleet.asking(kind)
    task.payload["stream"] = stream
    task.scheduled_at = utcnow() + timedelta(seconds=0.1)  # so that it is followed before it begins
    await soon(one.submit_task(task))
    updates = await soon(followed(one, task.id))
    assert updates[0].task is not None and updates[0].task.status is TaskStatus.PENDING
    result = updates[-1].result
    assert result is not None and result.success
    texts = [update for update in updates if update.kind is UpdateKind.TEXT]
    assert "".join(update.chunk.text for update in texts if update.chunk is not None) == result.data
    assert [update.offset for update in texts][:1] == [0]
    assert UpdateKind.USAGE in {update.kind for update in updates}
