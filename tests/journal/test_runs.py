"""How operations are put together without any of them noticing."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from vera_orchestrator.journal.runs import runs_of


@dataclass(frozen=True)
class Step:
    kind: str
    subject: int | None
    place: int


_steps = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["started", "requeued", "ended"]), st.integers(0, 4)),
        st.tuples(st.sampled_from(["add", "call"]), st.none()),
    ),
    max_size=40,
).map(lambda pairs: [Step(kind, subject, place) for place, (kind, subject) in enumerate(pairs)])


def test_starts_and_ends_of_many_tasks_make_two_runs() -> None:
    steps = [Step(kind, key, 2 * key) for key in range(100) for kind in ("started", "ended")]

    assert [(run[0].kind, len(run)) for run in runs_of(steps)] == [("started", 100), ("ended", 100)]


def test_operations_of_one_kind_that_follow_each_other_make_one_run() -> None:
    steps = [Step("add", None, place) for place in range(10)]

    assert runs_of(steps) == [steps]


@given(_steps)
def test_a_run_is_of_one_kind_and_nothing_is_lost(steps: list[Step]) -> None:
    runs = runs_of(steps)

    assert all(len({step.kind for step in run}) == 1 for run in runs)
    assert sorted((step for run in runs for step in run), key=lambda step: step.place) == steps


@given(_steps)
def test_operations_about_one_task_keep_their_order(steps: list[Step]) -> None:
    done = [step for run in runs_of(steps) for step in run]

    for subject in range(5):
        assert [step for step in done if step.subject == subject] == [step for step in steps if step.subject == subject]


@given(_steps)
def test_nothing_passes_an_operation_about_several_tasks(steps: list[Step]) -> None:
    done = [step for run in runs_of(steps) for step in run]

    for index, step in enumerate(done):
        if step.subject is None:
            assert {other.place for other in done[:index]} == set(range(step.place))
