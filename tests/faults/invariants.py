"""What must hold whatever went wrong: pure functions from the evidence to what is broken, in words."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence

from tests.faults.evidence import Evidence, Row, Run, Snapshot
from tests.faults.load import LIMIT, LIMITED, ItemKind
from tests.faults.plan import LEASE_SECONDS, Plan
from tests.faults.record import EventKind
from vera_orchestrator.enums import TaskStatus

OUTCOMES: Mapping[ItemKind, frozenset[TaskStatus]] = {
    ItemKind.FAILING: frozenset({TaskStatus.FAILED}),
    ItemKind.ONCE: frozenset({TaskStatus.COMPLETED, TaskStatus.FAILED}),
    ItemKind.CANCELLED: frozenset({TaskStatus.COMPLETED, TaskStatus.CANCELLED}),
}
COMPLETED = frozenset({TaskStatus.COMPLETED})
HEED_SECONDS = 3.0
"""After so long, whoever runs a task and can be reached has heard that it shall be cancelled."""
REACH_SECONDS = 1.0
"""After so long without a fault, an orchestrator knows what the journal holds."""
MEND_SECONDS = LEASE_SECONDS + 1.0
"""After so long without a fault, every orchestrator is an owner again and takes tasks in."""
FAILED_ATTEMPTS: Mapping[ItemKind, int] = {ItemKind.FLAKY: 1, ItemKind.FAILING: 1}
"""How often a task of a kind runs again by itself."""


def kind_of(task_id: str) -> ItemKind:
    """Return the kind of the item that a task belongs to."""
    return ItemKind(task_id.split("-")[2])


def unquiet(state: Snapshot, pids: set[int] | None) -> list[str]:
    """Return what is not at rest; with `pids`, the owners must be those processes and no others."""
    found = [f"task {one}" for one in state.unfinished]
    found += [f"batch {one} is open" for one in state.open_batches]
    found += [f"slot {one} is held" for one in state.slots]
    if pids is not None and sorted(state.owners.values()) != sorted(pids):
        found.append(f"the owners are {dict(state.owners)}, the processes {sorted(pids)}")
    return found


def broken(evidence: Evidence, plan: Plan) -> list[str]:
    """Return every way in which the evidence breaks a promise."""
    return [f"{check.__name__}: {text}" for check in CHECKS for text in check(evidence, plan)]


def accepted_tasks_are_kept(evidence: Evidence, _: Plan) -> Iterator[str]:
    """What was acknowledged has exactly one row, and what has a row was submitted."""
    rows = Counter(row.id for row in evidence.rows)
    for task_id in evidence.ids(EventKind.ACKNOWLEDGED):
        if rows[task_id] != 1:
            yield f"{task_id} was acknowledged and has {rows[task_id]} rows"
    tried = evidence.ids(EventKind.TRIED)
    for task_id, count in rows.items():
        if count > 1 or task_id not in tried:
            yield f"{task_id} has {count} rows and was submitted {tried[task_id]} times"
    keys = Counter(row.idempotency_key for row in evidence.rows if row.idempotency_key is not None)
    yield from (f"{key} names {count} tasks" for key, count in keys.items() if count > 1)


def batches_are_whole(evidence: Evidence, _: Plan) -> Iterator[str]:
    """A batch was accepted with all of its tasks or with none."""
    there = {row.id for row in evidence.rows}
    for event in evidence.of(EventKind.TRIED):
        if event.facts["batch"] is not None and len(there.intersection(event.facts["ids"])) not in (0, 4):
            yield f"{event.facts['batch']} is there in part"


def every_task_ends_as_it_must(evidence: Evidence, plan: Plan) -> Iterator[str]:
    """Tasks end, and as what they do and nothing else lets them end."""
    asked = evidence.ids(EventKind.CANCELLING)
    disturbed = bool(plan.faults or evidence.born_again)
    for row in evidence.rows:
        expected = OUTCOMES.get(kind_of(row.id), COMPLETED)
        if row.status not in expected:
            yield f"{row.id} is {row.status}: {row.error}"
        elif row.status is TaskStatus.FAILED and not _fails_rightly(row, disturbed=disturbed):
            yield f"{row.id} failed for a reason of ours, {row.error_type}: {row.error}"
        elif row.status is TaskStatus.CANCELLED and row.id not in asked:
            yield f"{row.id} is cancelled, and nobody asked for that"


def _fails_rightly(row: Row, *, disturbed: bool) -> bool:
    own = kind_of(row.id) is ItemKind.FAILING and row.error == "as it shall"
    return own or (disturbed and row.error_type == "TaskInterrupted")


def submissions_are_refused_only_in_trouble(evidence: Evidence, _: Plan) -> Iterator[str]:
    """Where nothing is broken, nor was shortly before, submissions are accepted."""
    for event in evidence.of(EventKind.REFUSED):
        if evidence.was_calm(event.at - MEND_SECONDS, event.at):
            yield f"{', '.join(event.facts['ids'])} was refused without a fault: {event.facts['error']}"


def results_are_those_of_the_last_owner(evidence: Evidence, _: Plan) -> Iterator[str]:
    """A result was written under the fence that the row has in the end."""
    begun = {run.run: run for run in evidence.runs()}
    for row in evidence.rows:
        if row.status is not TaskStatus.COMPLETED:
            continue
        if row.data["fence"] != row.fence:
            yield f"{row.id} (fence {row.fence}, owner {row.owner}) holds the result of {row.data}"
        run = begun.get(row.data["run"])
        if run is None or run.id != row.id:
            yield f"{row.id} holds the result of {row.data}, which never began"


def everybody_is_told_the_truth(evidence: Evidence, _: Plan) -> Iterator[str]:
    """Whoever waited got what the journal holds."""
    rows = {row.id: row for row in evidence.rows}
    for event in evidence.of(EventKind.TOLD):
        told, row = event.facts, rows.get(event.facts["id"])
        if row is None:
            yield f"{told['id']} has no row, and somebody was told {told}"
        elif told["success"] != (row.status is TaskStatus.COMPLETED) or (told["data"], told["error_type"]) != (
            row.data,
            row.error_type,
        ):
            yield f"{row.id} is {row.status} with {row.data}, {row.error_type}, and somebody was told {told}"


def nothing_runs_too_often(evidence: Evidence, plan: Plan) -> Iterator[str]:
    """A task that may not run twice does not, and others run again only after a failure or a fault."""
    runs = Counter(run.id for run in evidence.runs())
    disturbances = len(plan.faults) + evidence.born_again
    for task_id, count in runs.items():
        kind = kind_of(task_id)
        most = 1 if kind is ItemKind.ONCE else 1 + FAILED_ATTEMPTS.get(kind, 0) + disturbances
        if count > most:
            yield f"{task_id} ran {count} times, {most} were allowed"


def limits_hold(evidence: Evidence, _: Plan) -> Iterator[str]:
    """Of the attempts that count, no more run at a time than a limit allows."""
    by_limit: defaultdict[str, list[Run]] = defaultdict(list)
    for run in evidence.runs():
        if run.limit is not None and run.begun < run.over:
            by_limit[run.limit].append(run)
    for name, runs in by_limit.items():
        limit = LIMIT if name == LIMITED else 1
        for together in _crowds(runs, limit):
            yield f"{name}: {', '.join(f'{run.id} ({run.run})' for run in together)} ran at a time"


def _crowds(runs: Sequence[Run], limit: int) -> Iterator[list[Run]]:
    going: list[Run] = []
    for run in sorted(runs, key=lambda run: run.begun):
        going = [*(one for one in going if one.over > run.begun), run]
        if len(going) > limit:
            yield going


def what_was_cancelled_stays_so(evidence: Evidence, _: Plan) -> Iterator[str]:
    """A task whose cancellation was confirmed does not begin again, nor go on once who runs it can have heard of it."""
    runs = {run.run: run for run in evidence.runs()}
    rows = {row.id: row for row in evidence.rows}
    for event in evidence.of(EventKind.CANCELLED):
        row = rows.get(event.facts["id"])
        if not event.facts["answer"] or row is None or row.status is not TaskStatus.COMPLETED:
            continue
        run = runs.get(row.data["run"])
        if run is None:
            continue
        heard = run.over > event.at + HEED_SECONDS and evidence.was_calm(event.at, run.over)
        if run.begun > event.at or heard:
            times = f"from {run.begun - event.at:+.2f} s to {run.over - event.at:+.2f} s of the answer"
            yield f"{row.id} was cancelled and completed; it ran {times}"


def what_runs_can_be_cancelled(evidence: Evidence, _: Plan) -> Iterator[str]:
    """Who asks for the end of a task that runs is not told that it cannot be cancelled."""
    runs: defaultdict[str, list[Run]] = defaultdict(list)
    for run in evidence.runs():
        runs[run.id].append(run)
    for event in evidence.of(EventKind.CANCELLED):
        task_id, at = event.facts["id"], event.at
        if event.facts["answer"] or not evidence.was_calm(at - REACH_SECONDS, at):
            continue
        if any(run.begun < at < run.over for run in runs[task_id]):
            yield f"{task_id} runs, and who asked for its end was told that it had ended"


def nothing_unforeseen_happened(evidence: Evidence, _: Plan) -> Iterator[str]:
    """No error reached a caller that none can expect, and the program logged none."""
    for event in evidence.of(EventKind.SURPRISE):
        yield event.facts["text"]
    for event in evidence.of(EventKind.LOG):
        if event.facts["level"] in ("ERROR", "CRITICAL"):
            lines = event.facts["text"].splitlines()
            yield " … ".join([f"pid {event.pid} logged {lines[0]}", *lines[1:][-1:]])


CHECKS: Sequence[Callable[[Evidence, Plan], Iterator[str]]] = (
    accepted_tasks_are_kept,
    batches_are_whole,
    every_task_ends_as_it_must,
    submissions_are_refused_only_in_trouble,
    results_are_those_of_the_last_owner,
    everybody_is_told_the_truth,
    nothing_runs_too_often,
    limits_hold,
    what_was_cancelled_stays_so,
    what_runs_can_be_cancelled,
    nothing_unforeseen_happened,
)
