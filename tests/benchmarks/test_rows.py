"""The rows and goals of the benchmarks, given findings."""

from __future__ import annotations

import pytest

from benchmarks.findings import Findings, percentile
from benchmarks.plan import Subject
from benchmarks.rows import Bound, Goal, Row, rows


def row(findings: Findings, what: str) -> Row:
    return next(line for line in rows(findings) if line.what == what)


@pytest.mark.parametrize(("ours", "reached"), [(1.5, True), (2.0, True), (2.1, False)])
def test_a_goal_beside_a_peer_is_a_share_of_the_peers_median(ours: float, reached: bool) -> None:
    findings = Findings()
    findings.add("latency", Subject.OURS, [ours, ours, 1_000.0])
    findings.add("latency", Subject.CELERY, [4.0])

    assert row(findings, "no-op, median").reached is reached


@pytest.mark.parametrize(("rate", "reached"), [(799.0, False), (800.0, True)])
def test_a_rate_has_to_be_at_least_its_limit(rate: float, reached: bool) -> None:
    findings = Findings()
    findings.add("batch_1000", Subject.OURS, [rate])
    findings.add("batch_1000", Subject.CELERY, [100.0])

    assert row(findings, "batch of 1,000").reached is reached


def test_a_goal_is_open_while_the_peer_was_not_measured() -> None:
    findings = Findings()
    findings.add("latency", Subject.OURS, [0.1])

    assert row(findings, "no-op, median").reached is None


def test_time_per_task_is_the_inverse_of_the_rates() -> None:
    findings = Findings()
    findings.add("batch_1000", Subject.OURS, [2_000.0])
    findings.add("batch_10000", Subject.OURS, [1_000.0])

    line = row(findings, "time per task, 10,000 beside 1,000")

    assert line.values == {Subject.OURS: 2.0}
    assert line.reached is False


def test_only_the_largest_history_has_a_goal_for_memory() -> None:
    findings = Findings()
    for size in (1_000, 100_000):
        findings.add(f"growth_{size}", Subject.OURS, [51.0])

    assert row(findings, "memory gained over 1,000 tasks").goal is None
    assert row(findings, "memory gained over 100,000 tasks").reached is False


def test_what_nobody_measured_has_no_row() -> None:
    assert rows(Findings()) == []


def test_a_goal_without_our_value_is_open() -> None:
    assert Goal(bound=Bound.AT_MOST, limit=1).reached({Subject.CELERY: 0.5}) is None


@pytest.mark.parametrize(("share", "expected"), [(0.05, 1.0), (0.5, 10.0), (0.95, 19.0), (1.0, 20.0)])
def test_a_percentile_is_one_of_the_values(share: float, expected: float) -> None:
    assert percentile([float(value) for value in range(20, 0, -1)], share) == expected
