"""What the journal promises about tasks on their way from `add` to `ended`."""

from __future__ import annotations

import asyncio

import pytest

from tests.conformance.journal_rows import LARGE, batch, ending, join, row, task
from vera_orchestrator.enums import TaskStatus
from vera_orchestrator.errors import DuplicateTaskId, IdempotencyConflict
from vera_orchestrator.journal.base import Journal
from vera_orchestrator.journal.records import Added, HistoryQuery, TaskRow


class AddSuite:
    """Submissions."""

    async def test_a_task_is_read_as_it_was_written(self, journal: Journal) -> None:
        owner = await join(journal)
        written = TaskRow(
            key=7,
            id="ünïcode ✓",
            batch=3,
            position=2,
            type="custom",
            priority=4,
            status=TaskStatus.RUNNING,
            spec='{"payload": "\\u0000"}',
            submitted_at=1_700_000_000.123456,
            started_at=1_700_000_001.1,
            due_at=1_700_000_002.2,
            retry_count=2,
            owner=owner,
            fence=5,
            worker_id="w",
            error="line\nline",
            exhausted=True,
            idempotency_key="k",
            body_hash="h",
            store=False,
            result="null",
        )

        assert await journal.add([written]) == Added()

        assert await row(journal, 7) == written
        assert await journal.task("ünïcode ✓") == written

    async def test_an_id_is_refused_while_a_task_with_it_is_unfinished(self, journal: Journal) -> None:
        await journal.add([task(1, id="same")])

        with pytest.raises(DuplicateTaskId, match="same"):
            await journal.add([task(2), task(3, id="same")], batch(9))

        assert (await journal.counts()).by_status == {TaskStatus.QUEUED: 1}
        assert await journal.batch_by_key(9) is None

    async def test_a_submission_cannot_use_an_id_twice(self, journal: Journal) -> None:
        with pytest.raises(DuplicateTaskId, match="twice"):
            await journal.add([task(1, id="twice"), task(2, id="twice")])

        assert await journal.task("twice") is None

    async def test_a_key_cannot_be_used_twice(self, journal: Journal) -> None:
        await journal.add([task(1, id="first")])

        with pytest.raises(DuplicateTaskId):
            await journal.add([task(1, id="second")])

    async def test_an_id_is_free_again_when_its_task_has_ended_and_names_the_newest(self, journal: Journal) -> None:
        await journal.add([task(1, id="again")])
        await journal.ended(ending(1))

        await journal.add([task(2, id="again")])

        found = await journal.task("again")
        assert found is not None
        assert found.key == 2

    async def test_one_duplicate_among_many_harms_no_neighbour(self, journal: Journal) -> None:
        await journal.add([task(1_000, id="t50")])

        outcomes = await asyncio.gather(
            *(journal.add([task(key)], batch(key)) for key in range(1, 101)), return_exceptions=True
        )

        assert [type(outcome) for outcome in outcomes].count(Added) == 99
        assert isinstance(outcomes[49], DuplicateTaskId)
        assert set(await journal.rows(range(1, 101))) == set(range(1, 101)) - {50}
        assert await journal.batch_by_key(50) is None
        assert await journal.batch_by_key(51) is not None

    async def test_an_id_of_a_batch_is_refused_while_one_of_its_tasks_is_unfinished(self, journal: Journal) -> None:
        await journal.add([task(1, batch=5), task(2, batch=5, position=1)], batch(5, id="same"))
        await journal.ended(ending(1))

        with pytest.raises(DuplicateTaskId, match="same") as caught:
            await journal.add([task(3, batch=6)], batch(6, id="same"))

        assert caught.value.field == "batch_id"
        assert await journal.batch("same") == batch(5, id="same")
        assert set(await journal.rows([1, 2, 3])) == {1, 2}

        await journal.ended(ending(2))
        await journal.add([task(3, batch=6)], batch(6, id="same"))
        assert await journal.batch("same") == batch(6, id="same")

    async def test_of_many_batches_with_one_id_at_once_one_is_accepted(self, journal: Journal) -> None:
        names = ["same" if key % 2 else f"b{key}" for key in range(40)]

        outcomes = await asyncio.gather(
            *(journal.add([task(key, batch=key)], batch(key, id=name)) for key, name in enumerate(names)),
            return_exceptions=True,
        )

        refused = [key for key, outcome in enumerate(outcomes) if isinstance(outcome, DuplicateTaskId)]
        assert refused == [key for key in range(40) if key % 2 and key != 1]
        assert set(await journal.rows(range(40))) == set(range(40)) - set(refused)

    async def test_nothing_added_is_fine(self, journal: Journal) -> None:
        assert await journal.add([]) == Added()


class IdempotencySuite:
    """Submissions with an idempotency key."""

    async def test_the_same_body_gives_the_earlier_row(self, journal: Journal) -> None:
        first = task(1, idempotency_key="k", body_hash="h")
        await journal.add([first])

        again = await journal.add([task(2), task(3, idempotency_key="k", body_hash="h")])

        assert again.existing == first
        assert set(await journal.rows([1, 2, 3])) == {1}

    async def test_the_earlier_row_is_given_whole_when_it_has_ended(self, journal: Journal) -> None:
        await journal.add([task(1, idempotency_key="k", body_hash="h")])
        await journal.ended(ending(1, result=LARGE))

        again = await journal.add([task(2, id="t1", idempotency_key="k", body_hash="h")])

        assert again.existing is not None
        assert (again.existing.key, again.existing.result) == (1, LARGE)

    async def test_another_body_conflicts(self, journal: Journal) -> None:
        await journal.add([task(1, idempotency_key="k", body_hash="h")])

        with pytest.raises(IdempotencyConflict):
            await journal.add([task(2, idempotency_key="k", body_hash="other")])

        assert set(await journal.rows([1, 2])) == {1}

    async def test_a_key_is_free_once_it_has_expired(self, journal: Journal) -> None:
        await journal.add([task(1, idempotency_key="k", body_hash="h", submitted_at=10.0)])
        later = task(2, idempotency_key="k", body_hash="other", submitted_at=20.0)

        assert await journal.add([later], idempotent_since=10.5) == Added()
        assert (await journal.add([later], idempotent_since=10.5)).existing == later

    async def test_of_many_submissions_at_once_with_one_key_one_is_taken(self, journal: Journal) -> None:
        outcomes = await asyncio.gather(
            *(journal.add([task(key, idempotency_key="k", body_hash="h")]) for key in range(1, 21)),
            journal.add([task(99)]),
        )

        taken = [key for key, outcome in enumerate(outcomes[:-1], start=1) if outcome.existing is None]
        assert len(taken) == 1
        assert {outcome.existing.key for outcome in outcomes if outcome.existing} == set(taken)
        assert set(await journal.rows(range(100))) == {*taken, 99}


class LifeSuite:
    """From started to ended."""

    async def test_a_task_that_started_is_running(self, journal: Journal) -> None:
        await journal.add([task(1)])

        assert await journal.started(1, 1, at=5.0, worker_id="w")

        found = await row(journal, 1)
        assert (found.status, found.started_at, found.worker_id) == (TaskStatus.RUNNING, 5.0, "w")

    async def test_an_ending_completes_the_row_and_keeps_what_it_does_not_name(self, journal: Journal) -> None:
        await journal.add([task(1)])
        await journal.started(1, 1, at=5.0, worker_id="w")

        assert await journal.ended(ending(1, result='{"ok": true}', retry_count=1))

        found = await row(journal, 1)
        assert (found.status, found.completed_at, found.result) == (TaskStatus.COMPLETED, 2_000.0, '{"ok": true}')
        assert (found.started_at, found.worker_id, found.retry_count) == (5.0, "w", 1)

    async def test_a_task_ends_once(self, journal: Journal) -> None:
        await journal.add([task(1)])

        outcomes = await asyncio.gather(
            journal.ended(ending(1, result="1")),
            journal.ended(ending(1, result="2")),
            journal.ended(ending(1, result="3")),
        )

        assert outcomes == [True, False, False]
        assert (await row(journal, 1)).result == "1"

    async def test_a_stale_fence_changes_nothing(self, journal: Journal) -> None:
        await journal.add([task(1, fence=2), task(2)])
        before = await row(journal, 1)

        stale = await asyncio.gather(
            journal.started(1, 1, at=9.0, worker_id="late"),
            journal.started(2, 1, at=9.0, worker_id="good"),
            journal.ended(ending(1, 1, result="late")),
            journal.ended(ending(1, 3, result=LARGE)),
            journal.ended(ending(2, 1, result=LARGE)),
            journal.requeued(1, 1, due_at=9.0, retry_count=9, error="late"),
        )

        assert stale == [False, True, False, False, True, False]
        assert await row(journal, 1) == before
        assert (await row(journal, 2)).result == LARGE

    async def test_one_stale_write_among_many_harms_no_neighbour(self, journal: Journal) -> None:
        await journal.add([task(key) for key in range(100)])

        outcomes = await asyncio.gather(
            *(journal.ended(ending(key, 2 if key == 40 else 1, result=str(key))) for key in range(100))
        )

        assert outcomes == [key != 40 for key in range(100)]
        assert {key: found.result for key, found in (await journal.rows(range(100))).items()} == {
            key: None if key == 40 else str(key) for key in range(100)
        }

    async def test_a_write_about_an_unknown_task_is_false(self, journal: Journal) -> None:
        assert not await journal.started(404, 1, at=1.0, worker_id="w")
        assert not await journal.ended(ending(404))
        assert not await journal.requeued(404, 1, due_at=None, retry_count=1, error=None)

    async def test_a_requeued_task_waits_for_its_next_attempt_with_the_same_owner(self, journal: Journal) -> None:
        owner = await join(journal)
        await journal.add([task(1, owner=owner)])
        await journal.started(1, 1, at=5.0, worker_id="w")

        assert await journal.requeued(1, 1, due_at=60.0, retry_count=1, error="busy")

        found = await row(journal, 1)
        assert (found.status, found.due_at, found.retry_count, found.error) == (TaskStatus.QUEUED, 60.0, 1, "busy")
        assert (found.owner, found.fence) == (owner, 1)

    async def test_a_forgotten_task_keeps_neither_payload_nor_result(self, journal: Journal) -> None:
        await journal.add([task(1, spec='{"payload": "secret"}', store=False)])

        await journal.ended(ending(1, result=LARGE, forget=True))

        found = await row(journal, 1)
        assert found.result is None
        assert found.spec == "{}"
        assert found.status is TaskStatus.COMPLETED

    async def test_large_results_of_many_tasks_at_once_are_kept_whole(self, journal: Journal) -> None:
        results = {key: f"{key:06}" * 200_000 for key in range(20)}
        await asyncio.gather(*(journal.add([task(key)]) for key in results))

        ends = [journal.ended(ending(key, result=result)) for key, result in results.items()]

        assert await asyncio.gather(*ends) == [True] * 20
        assert {key: found.result for key, found in (await journal.rows(results)).items()} == results

    @pytest.mark.parametrize("length", [32 * 1024, 32 * 1024 + 1, 3_000_000])
    async def test_a_large_result_is_read_whole(self, journal: Journal, length: int) -> None:
        result = "r" * length
        await journal.add([task(1), task(2)])
        await asyncio.gather(journal.ended(ending(1, result=result)), journal.ended(ending(2, result="2")))

        found = await journal.task("t1")

        assert found is not None
        assert found.result == result
        assert (await row(journal, 1)).result == result
        assert [entry.result for entry in journal.history(HistoryQuery())] == ["2", result]
