"""What the journal promises about owners, and about tasks that pass from one to another."""

from __future__ import annotations

import asyncio

import pytest

from tests.conformance.journal_rows import ending, join, row, task
from vera_orchestrator.enums import TaskStatus
from vera_orchestrator.errors import LeaseLost
from vera_orchestrator.journal.base import Journal
from vera_orchestrator.journal.records import OwnerRow, WorkerRow


class OwnerSuite:
    """Processes that join and leave."""

    async def test_an_owner_is_listed_as_it_joined(self, journal: Journal) -> None:
        number = await journal.join(host="h", pid=12, alive_file="/run/x", lease_seconds=50.5)

        (owner,) = await journal.owners()

        assert owner == OwnerRow(number=number, host="h", pid=12, alive_file="/run/x", lease_left=owner.lease_left)
        assert 0 < owner.lease_left <= 50.5

    async def test_a_lease_runs_out(self, journal: Journal) -> None:
        number = await join(journal)

        assert await journal.renew(number, -1.0)

        assert [owner.lease_left < 0 for owner in await journal.owners()] == [True]

    async def test_a_number_is_never_given_again(self, journal: Journal) -> None:
        first, second = await join(journal), await join(journal)
        await journal.remove_owner(second)

        third = await join(journal)

        assert first < second < third

    async def test_a_lease_can_be_renewed_until_the_owner_is_removed(self, journal: Journal) -> None:
        number = await join(journal)
        assert await journal.renew(number, 200.0)
        assert [100.0 < owner.lease_left <= 200.0 for owner in await journal.owners()] == [True]

        await journal.remove_owner(number)

        assert not await journal.renew(number, 300.0)
        assert list(await journal.owners()) == []

    async def test_workers_are_replaced_and_go_with_their_owner(self, journal: Journal) -> None:
        one, other = await join(journal), await join(journal)
        kept = WorkerRow(owner=other, worker_id="c", capabilities=frozenset({"python", "bash"}))
        await journal.set_workers(one, [WorkerRow(owner=one, worker_id="a", capabilities=frozenset())])
        await journal.set_workers(one, [WorkerRow(owner=one, worker_id="b", capabilities=frozenset({"gpu"}))])
        await journal.set_workers(other, [kept])
        assert [worker.worker_id for worker in await journal.workers()] == ["b", "c"]

        await journal.remove_owner(one)

        assert list(await journal.workers()) == [kept]

    async def test_a_removed_owner_can_take_nothing(self, journal: Journal) -> None:
        number = await join(journal)
        await journal.add([task(1)])
        await journal.remove_owner(number)

        with pytest.raises(LeaseLost):
            await journal.add([task(2, owner=number)])
        with pytest.raises(LeaseLost):
            await journal.claim(number, [1])
        with pytest.raises(LeaseLost):
            await journal.acquire(number, 1, {"limit": 1})
        with pytest.raises(LeaseLost):
            await journal.set_workers(number, [])
        assert set(await journal.rows([1, 2])) == {1}
        assert (await row(journal, 1)).owner is None


class ClaimSuite:
    """Tasks without an owner."""

    async def test_a_removed_owner_leaves_its_unfinished_tasks_as_they_were(self, journal: Journal) -> None:
        owner, other = await join(journal), await join(journal)
        await journal.add([task(key, owner=owner) for key in (1, 2, 3)] + [task(4, owner=other)])
        await journal.started(1, 1, at=5.0, worker_id="w")
        await journal.ended(ending(3))

        assert await journal.remove_owner(owner) == 2
        assert await journal.remove_owner(owner) == 0

        left = await journal.unowned(limit=10)
        assert [(found.key, found.status) for found in left] == [(1, TaskStatus.RUNNING), (2, TaskStatus.QUEUED)]

    async def test_of_two_that_claim_each_task_gets_one_owner(self, journal: Journal) -> None:
        dead, one, other = await join(journal), await join(journal), await join(journal)
        keys = range(1, 41)
        await journal.add([task(key, owner=dead) for key in keys])
        await journal.remove_owner(dead)

        claims = await asyncio.gather(
            *(journal.claim(owner, range(start, start + 5)) for start in range(1, 37) for owner in (one, other))
        )

        claimed = [found for claim in claims for found in claim]
        assert sorted(found.key for found in claimed) == list(keys)
        assert {found.fence for found in claimed} == {3}
        assert {found.key: found for found in claimed} == await journal.rows(keys)
        assert list(await journal.unowned(limit=10)) == []

    async def test_a_removed_owner_writes_nothing_though_nobody_has_claimed_its_tasks(self, journal: Journal) -> None:
        late = await join(journal)
        await journal.add([task(1, owner=late), task(2, owner=late)])
        await journal.remove_owner(late)

        assert not await journal.started(1, 1, at=5.0, worker_id="w")
        assert not await journal.ended(ending(1, 1, result="late"))
        assert not await journal.requeued(2, 1, due_at=None, retry_count=1, error=None)
        assert await journal.give_up({2: 1}) == 0
        assert [found.status for found in await journal.unowned(limit=10)] == [TaskStatus.QUEUED] * 2

    async def test_a_removed_owner_cannot_write_to_what_nobody_has_claimed_yet(self, journal: Journal) -> None:
        late = await join(journal)
        await journal.add([task(1, owner=late)])
        await journal.remove_owner(late)

        assert not await journal.ended(ending(1, 1, result="late"))
        assert (await row(journal, 1)).completed_at is None

    async def test_a_late_owner_cannot_write_over_its_successor(self, journal: Journal) -> None:
        late, successor = await join(journal), await join(journal)
        await journal.add([task(1, owner=late)])
        await journal.remove_owner(late)
        (claimed,) = await journal.claim(successor, [1])

        assert not await journal.ended(ending(1, 1, result="late"))
        assert await journal.ended(ending(1, claimed.fence, result="mine"))
        assert (await row(journal, 1)).result == "mine"

    async def test_what_has_an_owner_or_has_ended_cannot_be_claimed(self, journal: Journal) -> None:
        owner, other = await join(journal), await join(journal)
        await journal.add([task(1, owner=owner), task(2), task(3)])
        await journal.ended(ending(2))

        claimed = await journal.claim(other, [1, 2, 3, 404])

        assert [(found.key, found.owner) for found in claimed] == [(3, other)]

    async def test_tasks_without_an_owner_are_listed_in_pages_and_by_type(self, journal: Journal) -> None:
        await journal.add([task(key, type="a" if key % 2 else "b") for key in range(1, 8)])

        page = await journal.unowned(limit=3)
        rest = await journal.unowned(limit=10, after_key=page[-1].key)

        assert [found.key for found in [*page, *rest]] == list(range(1, 8))
        assert [found.key for found in await journal.unowned(limit=2, types=["b"])] == [2, 4]
        assert list(await journal.unowned(limit=10, types=[])) == []

    async def test_an_owner_finds_its_unfinished_tasks_in_pages_and_without_results(self, journal: Journal) -> None:
        owner, other = await join(journal), await join(journal)
        await journal.add([task(key, owner=owner) for key in range(1, 7)] + [task(7, owner=other), task(8)])
        await journal.ended(ending(2))

        page = await journal.owned(owner, limit=3)
        rest = await journal.owned(owner, limit=10, after_key=page[-1].key)

        assert [found.key for found in [*page, *rest]] == [1, 3, 4, 5, 6]
        assert [found.key for found in await journal.owned(other, limit=10)] == [7]
        assert list(await journal.owned(owner, limit=0)) == []
        assert list(await journal.owned(404, limit=10)) == []

    async def test_what_was_claimed_is_owned_until_it_is_given_up(self, journal: Journal) -> None:
        owner = await join(journal)
        await journal.add([task(1), task(2)])
        claimed = await journal.claim(owner, [1, 2])
        assert list(await journal.owned(owner, limit=10)) == list(claimed)

        await journal.give_up({1: claimed[0].fence})

        assert [found.key for found in await journal.owned(owner, limit=10)] == [2]

    async def test_who_gave_a_task_up_writes_nothing_about_it_any_more(self, journal: Journal) -> None:
        owner = await join(journal)
        await journal.add([task(1, owner=owner)])

        assert await journal.give_up({1: 1}) == 1

        given_up = await row(journal, 1)
        assert (given_up.owner, given_up.fence) == (None, 2)
        assert not await journal.started(1, 1, at=5.0, worker_id="w")
        assert not await journal.requeued(1, 1, due_at=9.0, retry_count=2, error="late")
        assert not await journal.ended(ending(1))
        assert await journal.give_up({1: 1}) == 0
        assert await row(journal, 1) == given_up

    async def test_hundreds_of_tasks_can_be_given_up_at_once(self, journal: Journal) -> None:
        owner = await join(journal)
        await journal.add([task(key, owner=owner) for key in range(1, 1_201)])
        await journal.acquire(owner, 1_200, {"limit": 1})

        assert await journal.give_up({key: 1 + (key == 600) for key in range(1, 1_201)}) == 1_199

        assert [left.key for left in await journal.owned(owner, limit=10)] == [600]
        assert list(await journal.acquire(owner, 600, {"limit": 1})) == []
        assert await journal.give_up({}) == 0

    async def test_tasks_that_are_given_up_are_queued_for_anybody(self, journal: Journal) -> None:
        owner = await join(journal)
        await journal.add([task(key, owner=owner, retry_count=2) for key in (1, 2, 3)])
        await journal.started(1, 1, at=5.0, worker_id="w")
        await journal.ended(ending(3))

        assert await journal.give_up({1: 1, 2: 9, 3: 1}) == 1

        (free,) = await journal.unowned(limit=10)
        assert (free.key, free.status, free.retry_count) == (1, TaskStatus.QUEUED, 2)
        assert (await row(journal, 2)).owner == owner
