"""Plans and loads follow from their seed alone, and leave nothing broken."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tests.faults.__main__ import seeds_of
from tests.faults.load import ItemKind, ids_of, know_types, make_load, task_of
from tests.faults.plan import DATABASE, KINDS, LEASE_SECONDS, OF_ALL, SECONDS, SPANS, Database, FaultKind, make_plan

seeds = st.integers(min_value=0, max_value=10_000)
databases = st.sampled_from(Database)


@given(seed=seeds, database=databases, count=st.integers(min_value=1, max_value=5))
def test_a_plan_follows_from_its_seed(seed: int, database: Database, count: int) -> None:
    assert make_plan(seed, database, count) == make_plan(seed, database, count)


@given(seed=seeds, database=databases, prefect=st.booleans())
def test_a_plan_holds_only_what_can_happen_to_its_targets(seed: int, database: Database, prefect: bool) -> None:
    plan = make_plan(seed, database, 3, prefect=prefect)
    possible = {*KINDS[database], *([FaultKind.PREFECT_KILL] if prefect else [])}
    assert plan.faults
    for fault in plan.faults:
        assert fault.kind in possible
        assert (fault.target == DATABASE) == (fault.kind in OF_ALL)
        assert fault.target in {DATABASE, *plan.orchestrators}


@given(seed=seeds, database=databases)
def test_every_fault_is_mended_before_the_next_one_of_its_target(seed: int, database: Database) -> None:
    plan = make_plan(seed, database, 3)
    for target in (DATABASE, *plan.orchestrators):
        own = [fault for fault in plan.faults if fault.target == target]
        assert all(one.at + one.seconds < other.at for one, other in pairwise(own))
    assert all(fault.at + fault.seconds <= plan.ends_at for fault in plan.faults)


def test_pauses_are_on_their_side_of_the_lease() -> None:
    assert SPANS[FaultKind.PAUSE][1] < LEASE_SECONDS < SPANS[FaultKind.LONG_PAUSE][0]


def test_a_hundred_plans_hold_every_kind_of_fault() -> None:
    for database in Database:
        seen = {fault.kind for seed in range(100) for fault in make_plan(seed, database, 3).faults}
        assert seen == set(KINDS[database])


@given(seed=seeds)
def test_a_load_follows_from_its_seed_and_names_each_task_once(seed: int) -> None:
    load = make_load(seed, ["o1", "o2"], 30)
    assert load == make_load(seed, ["o1", "o2"], 30)
    ids = [one for item in load for one in ids_of(item)]
    assert len(ids) == len(set(ids))
    assert all(0 <= item.at <= SECONDS for item in load)
    assert all(item.peer != item.by for item in load if item.kind is not ItemKind.CANCELLED)


def test_only_tasks_that_may_not_run_twice_have_no_retry() -> None:
    know_types()
    for item in make_load(1, ["o1", "o2"], 100):
        assert (task_of(item).max_retries == 0) == (item.kind is ItemKind.ONCE)


def test_seeds_are_numbers_and_ranges_of_them() -> None:
    assert seeds_of("3") == [3]
    assert seeds_of("0-2,7") == [0, 1, 2, 7]
