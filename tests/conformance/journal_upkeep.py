"""What the journal promises about retention and about requeueing failed tasks."""

from __future__ import annotations

from tests.conformance.journal_rows import LARGE, add_ended, batch, ending, failure, join, row, task
from vera_orchestrator.enums import TaskStatus
from vera_orchestrator.journal.base import Journal


class RequeueSuite:
    """Failed tasks that get another chance."""

    async def test_a_requeued_task_is_as_one_that_was_never_tried(self, journal: Journal) -> None:
        owner = await join(journal)
        await journal.add([task(1, owner=owner, batch=9, position=4)])
        await journal.started(1, 1, at=5.0, worker_id="w")
        await journal.ended(failure(1, result=LARGE))

        assert list(await journal.requeue_failed([1])) == [1]

        assert await row(journal, 1) == task(1, batch=9, position=4, fence=2)
        (claimed,) = await journal.claim(owner, [1])
        assert claimed.fence == 3
        assert await journal.ended(ending(1, 3, result="short"))
        assert (await row(journal, 1)).result == "short"

    async def test_an_end_that_is_told_again_does_not_end_a_task_that_was_put_back(self, journal: Journal) -> None:
        await journal.add([task(1)])
        assert await journal.ended(failure(1))
        await journal.requeue_failed([1])

        assert not await journal.ended(failure(1))

        assert (await row(journal, 1)).status is TaskStatus.QUEUED

    async def test_only_failed_and_cancelled_tasks_are_requeued(self, journal: Journal) -> None:
        await journal.add([task(key) for key in range(1, 6)])
        await journal.ended(ending(1))
        await journal.ended(failure(2, status=TaskStatus.CANCELLED, exhausted=False))
        await journal.ended(failure(3))
        await journal.ended(failure(4))

        assert list(await journal.requeue_failed([1, 2, 4, 5, 404])) == [2, 4]

        assert (await journal.counts()).by_status[TaskStatus.FAILED] == 1
        assert (await journal.counts()).exhausted == 1

    async def test_the_batch_of_a_requeued_task_goes_on(self, journal: Journal) -> None:
        await journal.add([task(1, batch=7), task(2, batch=7, position=1)], batch(7))
        await journal.ended(ending(1))
        await journal.ended(failure(2))
        await journal.batch_ended(7, TaskStatus.FAILED, 9.0)

        await journal.requeue_failed([2])

        reopened = await journal.batch_by_key(7)
        assert reopened is not None
        assert (reopened.status, reopened.completed_at) == (TaskStatus.RUNNING, None)

    async def test_a_task_whose_id_is_in_use_is_left_out(self, journal: Journal) -> None:
        await journal.add([task(1, id="same"), task(3, id="other")])
        await journal.ended(failure(1))
        await journal.ended(failure(3))
        await journal.add([task(2, id="same")])

        assert list(await journal.requeue_failed([1, 3])) == [3]

        assert (await row(journal, 1)).status is TaskStatus.FAILED

    async def test_of_two_with_one_id_the_newest_is_requeued(self, journal: Journal) -> None:
        for key in (1, 2):
            await journal.add([task(key, id="same")])
            await journal.ended(failure(key))

        assert list(await journal.requeue_failed([1, 2])) == [2]

    async def test_a_task_that_was_not_stored_is_left_out(self, journal: Journal) -> None:
        await journal.add([task(1, store=False)])
        await journal.ended(failure(1, forget=True))

        assert list(await journal.requeue_failed([1])) == []

    async def test_hundreds_can_be_requeued_at_once(self, journal: Journal) -> None:
        await journal.add([task(key) for key in range(450)])
        for key in range(450):
            await journal.ended(failure(key))

        assert list(await journal.requeue_failed(range(450))) == list(range(450))


class PruneSuite:
    """Retention."""

    async def test_rows_that_ended_before_a_time_go_oldest_first(self, journal: Journal) -> None:
        await add_ended(journal, [5, 4, 3, 2, 1])
        await journal.add([task(9)])

        assert await journal.prune(ended_before=2_004.0, keep=100, limit=2) == 2
        assert set(await journal.rows(range(10))) == {3, 2, 1, 9}
        assert await journal.prune(ended_before=2_004.0, keep=100, limit=2) == 1
        assert await journal.prune(ended_before=2_004.0, keep=100, limit=2) == 0
        assert set(await journal.rows(range(10))) == {2, 1, 9}

    async def test_rows_beyond_the_number_to_keep_go(self, journal: Journal) -> None:
        await add_ended(journal, [1, 2, 3, 4, 5])
        await journal.add([task(9)])

        assert await journal.prune(ended_before=0.0, keep=2, limit=2) == 2
        assert await journal.prune(ended_before=0.0, keep=2, limit=2) == 1
        assert await journal.prune(ended_before=0.0, keep=2, limit=2) == 0
        assert set(await journal.rows(range(10))) == {4, 5, 9}

    async def test_a_batch_goes_with_its_last_row(self, journal: Journal) -> None:
        await journal.add([task(1, batch=7), task(2, batch=7)], batch(7))
        await journal.ended(ending(1, completed_at=10.0))
        await journal.ended(ending(2, completed_at=20.0))
        await journal.batch_ended(7, TaskStatus.COMPLETED, 20.0)

        assert await journal.prune(ended_before=15.0, keep=100, limit=10) == 1
        assert await journal.batch_by_key(7) is not None
        assert await journal.prune(ended_before=25.0, keep=100, limit=10) == 1
        assert await journal.batch_by_key(7) is None

    async def test_a_batch_that_runs_keeps_its_rows(self, journal: Journal) -> None:
        await journal.add([task(1, batch=7, position=0), task(2, batch=7, position=1)], batch(7))
        await journal.ended(ending(1, completed_at=10.0))
        await add_ended(journal, [3])

        assert await journal.prune(ended_before=5_000.0, keep=0, limit=10) == 1

        assert [found.key for found in await journal.batch_tasks(7)] == [1, 2]

    async def test_a_pruned_row_leaves_no_result_to_the_next_with_its_key(self, journal: Journal) -> None:
        await journal.add([task(1)])
        await journal.ended(ending(1, result=LARGE))
        await journal.prune(ended_before=5_000.0, keep=0, limit=10)

        await journal.add([task(1)])

        assert (await row(journal, 1)).result is None

    async def test_a_pruned_idempotency_key_is_free(self, journal: Journal) -> None:
        await add_ended(journal, [1], idempotency_key="k", body_hash="h")
        await journal.prune(ended_before=5_000.0, keep=0, limit=10)

        assert (await journal.add([task(2, idempotency_key="k", body_hash="other")])).existing is None
