"""What the journal promises about slots: limits that hold for all its owners together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conformance.journal_rows import ending, join, task
from vera_orchestrator.journal.base import Journal

LIMITS = {"red": 2, "blue": 3}
KEYS = range(8)

_keys = st.sampled_from(KEYS)
_steps = st.one_of(
    st.tuples(st.just("acquire"), _keys, st.sets(st.sampled_from(sorted(LIMITS)), min_size=1)),
    st.tuples(st.sampled_from(["release", "ended", "requeued", "stale"]), _keys, st.just(None)),
    st.tuples(st.just("remove_owner"), st.sampled_from([0, 1]), st.just(None)),
)


class SlotSuite:
    """Taking and giving back."""

    async def test_a_task_gets_all_its_slots_or_none(self, journal: Journal) -> None:
        owner = await join(journal)
        assert list(await journal.acquire(owner, 1, {"full": 1})) == []

        assert list(await journal.acquire(owner, 2, {"full": 1, "free": 1})) == ["full"]

        assert list(await journal.acquire(owner, 3, {"free": 1})) == []

    async def test_a_limit_of_zero_is_always_full(self, journal: Journal) -> None:
        assert list(await journal.acquire(await join(journal), 1, {"none": 0})) == ["none"]

    async def test_a_task_holds_one_slot_of_a_limit_however_often_it_asks(self, journal: Journal) -> None:
        owner = await join(journal)
        for _ in range(3):
            assert list(await journal.acquire(owner, 1, {"limit": 2})) == []

        assert list(await journal.acquire(owner, 2, {"limit": 2})) == []
        assert list(await journal.acquire(owner, 3, {"limit": 2})) == ["limit"]

    async def test_owners_at_the_same_time_do_not_pass_a_limit(self, journal: Journal) -> None:
        owners = [await join(journal) for _ in range(3)]

        outcomes = await asyncio.gather(
            *(journal.acquire(owners[key % 3], key, {"limit": 7}) for key in range(60)),
        )

        assert [list(full) for full in outcomes].count([]) == 7
        assert [list(full) for full in outcomes].count(["limit"]) == 53

    async def test_giving_up_a_task_gives_back_its_slots(self, journal: Journal) -> None:
        owner = await join(journal)
        await journal.add([task(1, owner=owner)])
        await journal.acquire(owner, 1, {"limit": 1})

        await journal.give_up({1: 1})

        assert list(await journal.acquire(owner, 2, {"limit": 1})) == []

    # Each example has a store of its own, so neither the fixture nor the subclass carries anything over.
    @settings(
        max_examples=25,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
    )
    @given(steps=st.lists(_steps, max_size=30))
    def test_slots_are_taken_and_free_exactly_as_the_tasks_that_hold_them(
        self, new_store: Callable[[], Journal], steps: list[tuple[str, int, Any]]
    ) -> None:
        asyncio.run(_follow(new_store(), steps))


async def _follow(journal: Journal, steps: list[tuple[str, int, Any]]) -> None:
    """Take the steps beside a model in plain sets, and compare each answer with the model's."""
    await journal.open()
    owners = [await join(journal), await join(journal)]
    await journal.add([task(key, owner=owners[key % 2]) for key in KEYS])
    held: dict[str, set[int]] = {name: set() for name in LIMITS}
    ended: set[int] = set()
    fences = dict.fromkeys(KEYS, 1)
    for step, key, names in steps:
        if step == "acquire":
            wanted = {name: LIMITS[name] for name in sorted(names)}
            full = {name for name in wanted if key not in held[name] and len(held[name]) >= LIMITS[name]}
            assert set(await journal.acquire(owners[key % 2], key, wanted)) == full
            for name in wanted if not full else ():
                held[name].add(key)
            continue
        freed: set[int] = set()
        if step == "release":
            await journal.release(key)
            freed = {key}
        elif step == "remove_owner":
            await journal.remove_owner(owners[key])
            owners[key] = await join(journal)
            freed = {task_key for task_key in KEYS if task_key % 2 == key}
            fences |= dict.fromkeys(freed - ended, 2)
        elif step == "stale":
            assert not await journal.ended(ending(key, 99))
        else:
            done = await (
                journal.ended(ending(key, fences[key]))
                if step == "ended"
                else journal.requeued(key, fences[key], due_at=None, retry_count=0, error=None)
            )
            assert done == (key not in ended)
            freed = {key} if done else set()
            ended |= {key} if step == "ended" else set()
        for holders in held.values():
            holders -= freed
    await journal.close()
