"""What the journal promises about reading: batches, history, counts."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from tests.conformance.journal_rows import LARGE, add_ended, batch, ending, failure, task
from vera_orchestrator.enums import TaskStatus
from vera_orchestrator.errors import JournalUnavailable
from vera_orchestrator.journal.base import Journal
from vera_orchestrator.journal.records import BatchQuery, Counts, HistoryQuery


class BatchSuite:
    """Batches and their tasks."""

    async def test_a_batch_is_read_as_it_was_written(self, journal: Journal) -> None:
        written = batch(5, options='{"fail_fast": true}', flow_run_id="f")
        await journal.add([task(1, batch=5)], written)

        assert await journal.batch("b5") == written
        assert await journal.batch_by_key(5) == written
        assert await journal.batch("none") is None
        assert await journal.batch_by_key(6) is None

    async def test_a_batch_without_tasks_can_be_added(self, journal: Journal) -> None:
        await journal.add([], batch(5))

        assert await journal.batch_by_key(5) == batch(5)
        assert list(await journal.batch_tasks(5)) == []

    async def test_an_id_of_a_batch_names_the_newest(self, journal: Journal) -> None:
        await journal.add([], batch(5, id="same"))
        await journal.add([], batch(6, id="same"))

        assert await journal.batch("same") == batch(6, id="same")

    async def test_a_batch_ends_and_knows_its_flow_run(self, journal: Journal) -> None:
        await journal.add([], batch(5))

        await journal.batch_flow_run(5, "run")
        assert await journal.batch_ended(5, TaskStatus.FAILED, 77.5)

        assert await journal.batch_by_key(5) == batch(5, flow_run_id="run", status=TaskStatus.FAILED, completed_at=77.5)

    async def test_a_batch_does_not_end_before_its_tasks(self, journal: Journal) -> None:
        await journal.add([task(1, batch=5), task(2, batch=5, position=1)], batch(5))
        await journal.ended(ending(1))

        assert not await journal.batch_ended(5, TaskStatus.COMPLETED, 77.5)
        assert await journal.batch_by_key(5) == batch(5)

        await journal.ended(failure(2))
        assert await journal.batch_ended(5, TaskStatus.FAILED, 78.5)
        assert await journal.batch_by_key(5) == batch(5, status=TaskStatus.FAILED, completed_at=78.5)

    async def test_a_batch_whose_task_was_put_back_meanwhile_goes_on(self, journal: Journal) -> None:
        await journal.add([task(1, batch=5)], batch(5))
        await journal.ended(failure(1))
        await journal.requeue_failed([1])

        assert not await journal.batch_ended(5, TaskStatus.FAILED, 77.5)

        assert await journal.batch_by_key(5) == batch(5)

    async def test_a_batch_that_is_gone_does_not_end(self, journal: Journal) -> None:
        assert not await journal.batch_ended(404, TaskStatus.FAILED, 77.5)

    async def test_tasks_of_a_batch_come_in_order_the_newest_of_each_position_and_without_results(
        self, journal: Journal
    ) -> None:
        await journal.add([task(key, batch=5, position=10 - key) for key in (1, 2, 3)], batch(5))
        await journal.ended(ending(2, result=LARGE))
        await journal.ended(ending(3, result="3"))
        await journal.add([task(4, id="t2", batch=5, position=8), task(6, batch=6)])

        found = await journal.batch_tasks(5)

        assert [(entry.position, entry.key) for entry in found] == [(7, 3), (8, 4), (9, 1)]
        assert [entry.result for entry in found] == [None, None, None]

    async def test_batches_are_listed_newest_first_with_counts(self, journal: Journal) -> None:
        await journal.add([task(1, batch=5), task(2, batch=5, position=1), task(3, batch=5, position=2)], batch(5))
        await journal.add([task(4, batch=6, caller="k")], batch(6))
        await journal.add([], batch(7))
        await journal.ended(ending(1))
        await journal.ended(failure(2))

        first, second, third = await journal.batches(BatchQuery())

        assert [first.row, second.row, third.row] == [batch(7), batch(6), batch(5)]
        assert [dict(first.by_status), dict(second.by_status)] == [{}, {TaskStatus.QUEUED: 1}]
        assert third.by_status == {TaskStatus.QUEUED: 1, TaskStatus.COMPLETED: 1, TaskStatus.FAILED: 1}

    async def test_batches_are_listed_in_pages_and_by_caller(self, journal: Journal) -> None:
        for key in (5, 6, 7):
            await journal.add([task(key * 10, batch=key, caller="k" if key != 6 else None)], batch(key))

        assert [one.row.key for one in await journal.batches(BatchQuery(limit=2))] == [7, 6]
        assert [one.row.key for one in await journal.batches(BatchQuery(before_key=6))] == [5]
        assert [one.row.key for one in await journal.batches(BatchQuery(caller="k"))] == [7, 5]
        assert not await journal.batches(BatchQuery(caller="other"))


class HistorySuite:
    """Lists and sums over all tasks."""

    async def test_history_goes_back_in_pages(self, journal: Journal) -> None:
        await journal.add([task(key) for key in range(1, 8)])

        first = journal.history(HistoryQuery(limit=3))
        second = journal.history(HistoryQuery(limit=10, before_key=first[-1].key))

        assert [found.key for found in [*first, *second]] == [7, 6, 5, 4, 3, 2, 1]

    @pytest.mark.parametrize("status", [None, TaskStatus.QUEUED, TaskStatus.RUNNING, TaskStatus.FAILED])
    @pytest.mark.parametrize("exhausted", [None, True, False])
    async def test_history_has_what_was_asked_for_and_nothing_else(
        self, journal: Journal, status: TaskStatus | None, exhausted: bool | None
    ) -> None:
        await journal.add([task(key, type="ab"[key % 2]) for key in range(1, 31)])
        for key in range(1, 31, 3):
            await journal.ended(failure(key, exhausted=key % 4 == 0))
        for key in range(2, 31, 3):
            await journal.started(key, 1, at=1.0, worker_id="w")
        everything = journal.history(HistoryQuery())

        for kind in (None, "a", "b", "c"):
            found = journal.history(HistoryQuery(status=status, type=kind, exhausted=exhausted, before_key=25))

            assert list(found) == [
                row
                for row in everything
                if row.key < 25
                and status in (None, row.status)
                and kind in (None, row.type)
                and exhausted in (None, row.exhausted)
            ]

    async def test_history_can_be_limited_to_whose_and_when_and_where(self, journal: Journal) -> None:
        await journal.add([task(1, caller="k"), task(2, worker_id="w"), task(3, batch=5)], batch(5))
        await journal.ended(ending(3))
        await journal.add([task(4, caller="k", batch=6)], batch(6, id="b5"))

        def found(**asked: Any) -> list[int]:
            return [row.key for row in journal.history(HistoryQuery(**asked))]

        assert found(caller="k") == [4, 1]
        assert found(caller="k", limit=1) == [4]
        assert found(worker_id="w") == [2]
        assert found(batch_id="b5") == [4, 3]
        assert found(batch_id="b6") == []
        assert found(since=1_002.0, until=1_004.0) == [3, 2]
        assert found(caller="k", batch_id="b5", until=2_000.0, before_key=5, type="custom") == [4]

    @pytest.mark.parametrize("text", ["\0", "\ud800"])
    @pytest.mark.parametrize("name", ["type", "caller", "tag", "batch_id", "worker_id"])
    async def test_history_of_what_no_row_can_have_is_empty(self, journal: Journal, name: str, text: str) -> None:
        await journal.add([task(1)])
        asked: dict[str, Any] = {name: text}
        assert list(journal.history(HistoryQuery(**asked))) == []

    async def test_history_can_be_limited_to_a_tag(self, journal: Journal) -> None:
        tags: list[list[str]] = [["a"], ["a", "b%"], ["ab"], [], ['é"_']]
        specs = [{"payload": {"a": "a"}, "tags": of} for of in tags]
        texts = [orjson.dumps(spec).decode() for spec in specs]
        await journal.add([task(key, spec=text) for key, text in enumerate(texts, start=1)])
        await journal.add([task(key, spec='{"payload": {"tags": "a"}}') for key in range(10, 14)])

        def found(tag: str, **more: Any) -> list[int]:
            return [row.key for row in journal.history(HistoryQuery(tag=tag, **more))]

        assert found("a") == [2, 1]
        assert found("a", limit=1) == [2]
        assert found("a", before_key=2) == [1]
        assert found("b%") == [2]
        assert found("%") == found("payload") == []
        assert found('é"_') == [5]

    async def test_counts_are_by_status(self, journal: Journal) -> None:
        assert await journal.counts() == Counts()
        await journal.add([task(key) for key in range(1, 8)])
        await journal.started(1, 1, at=1.0, worker_id="w")
        await journal.ended(ending(2))
        await journal.ended(failure(3))
        await journal.ended(failure(4, exhausted=False))

        assert await journal.counts() == Counts(
            by_status={
                TaskStatus.QUEUED: 3,
                TaskStatus.RUNNING: 1,
                TaskStatus.COMPLETED: 1,
                TaskStatus.FAILED: 2,
            },
            exhausted=1,
        )

    async def test_an_unknown_task_is_none(self, journal: Journal) -> None:
        assert await journal.task("none") is None
        assert await journal.rows([1, 2]) == {}

    async def test_thousands_of_rows_can_be_asked_for_at_once(self, journal: Journal) -> None:
        await journal.add([task(key) for key in range(3_000)])

        assert set(await journal.rows(range(4_000))) == set(range(3_000))


class ClosingSuite:
    """The life of the store."""

    async def test_opening_and_closing_twice_changes_nothing(self, journal: Journal) -> None:
        await journal.add([task(1)])
        await journal.open()
        assert await journal.task("t1") == task(1)

        await journal.close()
        await journal.close()

    async def test_what_was_written_is_there_when_it_is_opened_again(self, journal: Journal) -> None:
        await add_ended(journal, [1, 2])
        await journal.close()

        await journal.open()

        assert set(await journal.rows([1, 2])) == {1, 2}

    async def test_a_closed_journal_is_unavailable(self, journal: Journal) -> None:
        await journal.close()

        with pytest.raises(JournalUnavailable):
            await journal.add([task(1)])
        with pytest.raises(JournalUnavailable):
            await journal.ended(ending(1))
        with pytest.raises(JournalUnavailable):
            await journal.give_up({1: 1})
        with pytest.raises(JournalUnavailable):
            await journal.task("t1")
        with pytest.raises(JournalUnavailable):
            await journal.owners()
        with pytest.raises(JournalUnavailable):
            journal.history(HistoryQuery())

    async def test_closing_writes_what_was_queued(self, journal: Journal) -> None:
        queued = [journal.add([task(key)]) for key in range(500)]

        await journal.close()
        for added in queued:
            await added
        await journal.open()

        assert len(await journal.rows(range(500))) == 500
