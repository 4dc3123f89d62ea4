"""What the journal promises about the messages that tell of ends."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.conformance.journal_rows import batch, ending, failure, task
from vera_orchestrator.enums import TaskStatus
from vera_orchestrator.errors import InvalidValue
from vera_orchestrator.journal.base import Journal
from vera_orchestrator.journal.outbox import Delivery


def message(name: str, subject: int = 1, **changes: Any) -> Delivery:
    """Return a message that is due at 2000."""
    made = Delivery(
        id=name, kind="task.completed", subject=subject, url="https://h/", created_at=2_000.0, due_at=2_000.0
    )
    return replace(made, **changes)


async def ended(journal: Journal, *messages: Delivery) -> None:
    """End a task for each message."""
    for key, one in enumerate(messages, start=1):
        await journal.add([task(key)])
        assert await journal.ended(ending(key, delivery=one))


class OutboxSuite:
    """Messages."""

    async def test_a_message_is_written_with_the_end_and_read_as_it_was_written(self, journal: Journal) -> None:
        written = message("m", subject=7, url="https://h/ü?a=1", secret='{"$sealed": "x"}', kind="task.failed")
        await journal.add([task(7)])
        assert await journal.ended(failure(7, delivery=written))
        assert await journal.outbox.of(7) == [written]
        assert await journal.outbox.next_due() == 2_000.0

    async def test_many_ends_at_once_have_their_messages(self, journal: Journal) -> None:
        await journal.add([task(key) for key in range(1, 31)])
        writes = [
            journal.ended(ending(key, delivery=message(f"m{key}", key) if key % 2 else None)) for key in range(1, 31)
        ]
        assert all([await write for write in writes])
        found = await journal.outbox.claim(now=3_000.0, until=3_060.0, limit=100)
        assert sorted(one.subject for one in found) == list(range(1, 31, 2))

    async def test_an_end_that_changes_nothing_has_no_message(self, journal: Journal) -> None:
        await journal.add([task(1)])
        assert not await journal.ended(ending(1, fence=9, delivery=message("m")))
        assert await journal.outbox.next_due() is None

    async def test_a_message_that_cannot_be_held_is_refused_with_its_end(self, journal: Journal) -> None:
        await journal.add([task(1)])
        with pytest.raises(InvalidValue, match="url"):
            await journal.ended(ending(1, delivery=message("m", url="https://h/\x00")))
        assert (await journal.counts()).by_status == {TaskStatus.QUEUED: 1}

    async def test_a_batch_has_one_message_for_each_time_that_it_ends(self, journal: Journal) -> None:
        await journal.add([task(1, batch=9)], batch(9))
        outbox = journal.outbox
        assert not await journal.batch_ended(9, TaskStatus.FAILED, 2.0, message("a", 9))
        await journal.ended(failure(1))
        assert await journal.batch_ended(9, TaskStatus.FAILED, 2.0, message("b", 9))
        assert await journal.batch_ended(9, TaskStatus.FAILED, 2.0, message("c", 9))
        assert [one.id for one in await outbox.of(9)] == ["b"]
        await journal.requeue_failed([1])
        (claimed,) = await journal.claim(await journal.join(host="h", pid=1, alive_file=None, lease_seconds=9), [1])
        await journal.ended(ending(1, fence=claimed.fence))
        assert await journal.batch_ended(9, TaskStatus.COMPLETED, 3.0, message("d", 9))
        assert [one.id for one in await outbox.of(9)] == ["b", "d"]

    async def test_what_is_claimed_is_nobody_elses_until_it_is_due_again(self, journal: Journal) -> None:
        await ended(journal, message("a", due_at=2_002.0), message("b", due_at=2_001.0), message("c", due_at=2_009.0))
        outbox = journal.outbox
        assert [one.id for one in await outbox.claim(now=2_002.0, until=2_060.0, limit=1)] == ["b"]
        assert [one.id for one in await outbox.claim(now=2_002.0, until=2_060.0, limit=9)] == ["a"]
        assert await outbox.claim(now=2_002.0, until=2_060.0, limit=9) == []
        assert await outbox.next_due() == 2_009.0
        again = await outbox.claim(now=2_060.0, until=2_100.0, limit=9)
        assert [one.id for one in again] == ["c", "a", "b"]
        assert {one.due_at for one in again} == {2_100.0}

    async def test_what_has_arrived_or_is_given_up_is_never_due_again(self, journal: Journal) -> None:
        await ended(journal, message("a", subject=1), message("b", subject=2))
        outbox = journal.outbox
        await outbox.failed("a", error="503", due_at=2_005.0)
        assert await outbox.of(1) == [message("a", attempts=1, due_at=2_005.0, error="503")]
        await outbox.delivered("a", 2_006.0)
        await outbox.failed("b", error="410", due_at=None)
        await outbox.delivered("nobody", 1.0)
        assert await outbox.of(1) == [message("a", attempts=2, due_at=None, delivered_at=2_006.0)]
        assert await outbox.of(2) == [message("b", subject=2, attempts=1, due_at=None, error="410")]
        assert await outbox.next_due() is None

    async def test_only_what_is_over_and_old_is_deleted(self, journal: Journal) -> None:
        await ended(
            journal, *(message(name, subject, created_at=2_000.0 + subject) for subject, name in enumerate("abcd"))
        )
        outbox = journal.outbox
        for name in "abd":
            await outbox.delivered(name, 2_010.0)
        assert await outbox.prune(before=2_003.0, limit=1) == 1
        assert await outbox.prune(before=2_003.0, limit=9) == 1
        left = [one.id for subject in range(4) for one in await outbox.of(subject)]
        assert left == ["c", "d"]
