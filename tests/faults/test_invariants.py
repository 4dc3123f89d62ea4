"""Every broken promise is seen: a run in which all was well, and what must not be accepted instead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from tests.faults.evidence import Evidence, Row, Snapshot
from tests.faults.invariants import broken, unquiet
from tests.faults.plan import Database, make_plan
from tests.faults.record import Event, EventKind
from vera_orchestrator.enums import TaskStatus

PLAN = replace(make_plan(0, Database.SQLITE, 2), faults=())
DATA = {"id": "o1-0-short", "run": "7-0", "owner": 1, "fence": 1}
GOOD = Row(id="o1-0-short", status=TaskStatus.COMPLETED, retry_count=0, owner=1, fence=1, data=DATA)


def event(kind: EventKind, at: float = 0.0, pid: int = 7, **facts: Any) -> Event:
    return Event(kind, at, pid, facts)


def submitted(task_id: str = "o1-0-short") -> list[Event]:
    return [event(EventKind.TRIED, ids=[task_id], batch=None), event(EventKind.ACKNOWLEDGED, ids=[task_id])]


def attempt(task_id: str, run: str, begun: float, over: float | None, **more: Any) -> list[Event]:
    facts: dict[str, Any] = {"id": task_id, "run": run, "owner": 1, "fence": 1, "limit": None, **more}
    ended = [] if over is None else [event(EventKind.OVER, over, id=task_id, run=run)]
    return [event(EventKind.BEGUN, begun, **facts), *ended]


SOUND = [*submitted(), *attempt("o1-0-short", "7-0", 1.0, 2.0)]


def found(rows: Sequence[Row], events: Sequence[Event]) -> str:
    """Return what is broken, in one text."""
    return "\n".join(broken(Evidence(rows=rows, events=events), PLAN))


def test_a_sound_run_breaks_nothing() -> None:
    told = event(EventKind.TOLD, id="o1-0-short", success=True, data=DATA, error_type=None)
    assert found([GOOD], [*SOUND, told]) == ""


def test_a_lost_task_is_seen() -> None:
    assert "o1-0-short was acknowledged and has 0 rows" in found([], submitted())


def test_a_second_row_is_seen() -> None:
    assert "has 2 rows" in found([GOOD, GOOD], SOUND)


def test_a_row_that_nobody_submitted_is_seen() -> None:
    assert "was submitted 0 times" in found([GOOD], attempt("o1-0-short", "7-0", 1.0, 2.0))


def test_a_key_that_names_two_tasks_is_seen() -> None:
    rows = [replace(GOOD, id=f"o1-{number}-idempotent", idempotency_key="k") for number in (1, 2)]
    assert "k names 2 tasks" in found(rows, [])


def test_half_a_batch_is_seen() -> None:
    ids = [f"o1-0-batch-{letter}" for letter in "abcd"]
    tried = event(EventKind.TRIED, ids=ids, batch="o1-0-batch")
    assert "o1-0-batch is there in part" in found([replace(GOOD, id=ids[0])], [tried])


@pytest.mark.parametrize(
    "row",
    [
        replace(GOOD, status=TaskStatus.RUNNING),
        replace(GOOD, status=TaskStatus.FAILED, error="the database is away", error_type="JournalUnavailable"),
        replace(GOOD, id="o1-0-failing"),
        replace(GOOD, id="o1-0-once", status=TaskStatus.FAILED, error_type="JournalUnavailable"),
        replace(GOOD, id="o1-0-once", status=TaskStatus.FAILED, error_type="TaskInterrupted"),
        replace(GOOD, id="o1-0-cancelled", status=TaskStatus.CANCELLED),
    ],
)
def test_an_end_that_is_none_or_not_the_task_s_own_is_seen(row: Row) -> None:
    assert "every_task_ends_as_it_must" in found([row], [])


def test_a_result_of_a_stale_owner_is_seen() -> None:
    assert "holds the result of" in found([replace(GOOD, fence=2, owner=2)], SOUND)


def test_a_result_of_an_attempt_that_never_was_is_seen() -> None:
    assert "never began" in found([GOOD], submitted())


def test_a_waiter_who_was_told_something_else_is_seen() -> None:
    told = event(EventKind.TOLD, id="o1-0-short", success=False, data=None, error_type="TaskInterrupted")
    assert "everybody_is_told_the_truth" in found([GOOD], [*SOUND, told])


def test_a_waiter_who_was_told_another_reason_is_seen() -> None:
    row = replace(GOOD, id="o1-0-failing", status=TaskStatus.FAILED, data=None, error="as it shall")
    told: dict[str, Any] = {"id": row.id, "success": False, "data": None}
    assert "everybody" not in found([row], [event(EventKind.TOLD, error_type=None, **told)])
    assert "everybody" in found([row], [event(EventKind.TOLD, error_type="TaskInterrupted", **told)])


def test_an_attempt_that_no_fault_explains_is_seen() -> None:
    events = [*attempt("o1-0-short", "7-0", 1.0, 2.0), *attempt("o1-0-short", "7-1", 3.0, 4.0)]
    row = replace(GOOD, retry_count=1, data={**DATA, "run": "7-1"})
    assert "o1-0-short ran 2 times, 1 were allowed" in found([row], [*submitted(), *events])


def test_a_task_that_fails_by_itself_may_run_twice() -> None:
    task_id = "o1-0-flaky"
    events = [*attempt(task_id, "7-0", 1.0, 2.0), *attempt(task_id, "7-1", 3.0, 4.0)]
    assert "nothing_runs_too_often" not in found([], events)


def test_a_submission_that_is_refused_without_a_fault_is_seen() -> None:
    refused = event(EventKind.REFUSED, 9.0, ids=["o1-0-short"], error="JournalUnavailable: away")
    fault = [event(EventKind.FAULT, 7.0, text="cut"), event(EventKind.MENDED, 8.0, text="cut")]
    assert "submissions_are_refused_only_in_trouble" in found([], [refused])
    assert "submissions_are_refused_only_in_trouble" not in found([], [*fault, refused])


def test_a_task_that_runs_and_is_said_to_have_ended_is_seen() -> None:
    refused = event(EventKind.CANCELLED, 3.0, id="o1-0-cancelled", answer=False)
    assert "what_runs_can_be_cancelled" in found([], [*attempt("o1-0-cancelled", "7-0", 1.0, 7.0), refused])
    assert "what_runs_can_be_cancelled" not in found([], [*attempt("o1-0-cancelled", "7-0", 1.0, 2.5), refused])


def test_a_second_run_of_what_may_not_run_twice_is_seen() -> None:
    events = [*attempt("o1-0-once", "7-0", 1.0, None), *attempt("o1-0-once", "8-0", 2.0, 3.0)]
    assert "o1-0-once ran 2 times, 1 were allowed" in found([], events)


def keyed(number: int, begun: float, over: float | None, **more: Any) -> list[Event]:
    return attempt(f"o1-{number}-keyed", f"7-{number}", begun, over, limit="key-1", **more)


def test_two_of_one_concurrency_key_at_a_time_are_seen() -> None:
    assert "limits_hold" in found([], [*keyed(1, 1.0, 2.0), *keyed(2, 1.5, 3.0)])
    assert "limits_hold" not in found([], [*keyed(1, 1.0, 2.0), *keyed(2, 2.5, 3.0)])


def test_an_attempt_counts_until_its_process_dies_or_its_owner_is_given_up_for_dead() -> None:
    both = [*keyed(1, 1.0, None), *keyed(2, 1.5, 3.0, owner=2)]
    died = event(EventKind.DIED, 1.4, victim=7)
    buried = event(EventKind.BURIED, 1.6, owner=1, since=1.4)
    assert "limits_hold" in found([], both)
    assert "limits_hold" not in found([], [*both, died])
    assert "limits_hold" not in found([], [*both, buried])


def test_an_attempt_of_a_buried_owner_counts_if_its_result_does() -> None:
    row = replace(GOOD, id="o1-1-keyed", data={**DATA, "run": "7-1"})
    buried = event(EventKind.BURIED, 1.4, owner=1, since=1.4)
    assert "limits_hold" in found([row], [*keyed(1, 1.0, 2.0), *keyed(2, 1.5, 3.0, owner=2), buried])


def test_a_removal_that_failed_ends_nothing_where_a_later_one_did_it() -> None:
    both = [*keyed(1, 1.0, None), *keyed(2, 1.5, 3.0, owner=2)]
    failed = event(EventKind.BURYING, 1.4, owner=1)
    buried = event(EventKind.BURIED, 2.6, owner=1, since=2.5)
    assert "limits_hold" not in found([], [*both, failed])  # its answer may have been lost
    assert "limits_hold" in found([], [*both, failed, buried])


@pytest.mark.parametrize(("begun", "over", "is_seen"), [(4.0, 4.5, True), (1.0, 9.0, True), (1.0, 3.1, False)])
def test_a_cancelled_task_that_goes_on_or_begins_again_is_seen(begun: float, over: float, is_seen: bool) -> None:
    row = replace(GOOD, id="o1-0-cancelled")
    answered = event(EventKind.CANCELLED, 3.0, id="o1-0-cancelled", answer=True)
    seen = found([row], [*attempt("o1-0-cancelled", "7-0", begun, over), answered])
    assert ("what_was_cancelled_stays_so" in seen) == is_seen


def test_a_cancelled_task_may_go_on_where_nobody_could_hear_of_it() -> None:
    row = replace(GOOD, id="o1-0-cancelled")
    pause = [event(EventKind.FAULT, 2.5, text="pause"), event(EventKind.MENDED, 8.9, text="pause")]
    events = [*attempt("o1-0-cancelled", "7-0", 1.0, 9.0), event(EventKind.CANCELLED, 3.0, id=row.id, answer=True)]
    assert "what_was_cancelled_stays_so" in found([row], events)
    assert "what_was_cancelled_stays_so" not in found([row], [*events, *pause])


@pytest.mark.parametrize(
    "event",
    [
        event(EventKind.SURPRISE, text="odd"),
        event(EventKind.LOG, level="ERROR", text="odd"),
        event(EventKind.LOG, level="CRITICAL", text="odd"),
    ],
)
def test_what_nobody_foresaw_is_seen(event: Event) -> None:
    assert "odd" in found([], [event])


def test_what_is_not_at_rest_is_seen() -> None:
    quiet = Snapshot(unfinished=(), open_batches=(), slots=(), owners={1: 7})
    assert unquiet(quiet, {7}) == []
    assert unquiet(quiet, {8}) != []
    assert unquiet(replace(quiet, unfinished=["t"]), {7}) == ["task t"]
    assert unquiet(replace(quiet, open_batches=["b"]), {7}) == ["batch b is open"]
    assert unquiet(replace(quiet, slots=["s"]), {7}) == ["slot s is held"]
