"""The figures of requests to language models, and when a goal counts as reached."""

from __future__ import annotations

import pytest

from benchmarks.llm_figures import AT_A_TIME, LLMFindings, Way, table


def findings(*, ours: float, direct: float = 10.0, litellm: float = 100.0) -> LLMFindings:
    """One round of ten requests, one after the other, of so many milliseconds each."""
    found = LLMFindings(4)
    for at_a_time in AT_A_TIME:
        for way, ms in {Way.OURS: ours, Way.IN_PROCESS: ours, Way.DIRECT: direct, Way.LITELLM: litellm}.items():
            found.add(at_a_time, way, seconds=10 * ms / 1e3, times=[ms] * 10, processor=0.05)
    return found


def test_the_rate_is_the_median_of_the_rounds_and_the_times_are_of_all_requests() -> None:
    found = LLMFindings(4)
    found.add(8, Way.OURS, seconds=1.0, times=[1.0, 2.0], processor=0.01)
    found.add(8, Way.OURS, seconds=0.5, times=[3.0, 4.0], processor=0.02)
    found.add(8, Way.OURS, seconds=0.25, times=[5.0, 90.0], processor=0.04)

    one = found.figures(8, Way.OURS)

    assert (one.rate, one.median_ms, one.p95_ms, one.processor_ms) == (4.0, 3.5, 90.0, 10.0)


def test_what_a_way_adds_is_its_median_less_that_of_going_directly() -> None:
    found = findings(ours=12.5)

    assert found.added_ms(8, Way.OURS) == 2.5
    assert found.added_ms(8, Way.LITELLM) == 90.0


@pytest.mark.parametrize(
    ("ours", "reached"),
    [
        (12.0, [True, True, True]),
        (16.0, [True, True, True]),
        (17.0, [True, False, True]),
        (32.0, [True, False, True]),
        (33.0, [True, False, False]),
        (34.0, [False, False, False]),
    ],
)
def test_each_goal_is_judged_by_itself(ours: float, reached: list[bool]) -> None:
    assert [one.reached for one in findings(ours=ours).goals()] == reached


def test_a_goal_beside_a_peer_that_adds_nothing_is_not_reached() -> None:
    assert findings(ours=9.0, litellm=10.0).goals()[-1].reached is False


def test_the_table_has_a_line_for_each_way_and_number_and_says_how_the_goals_stand() -> None:
    text = table(findings(ours=20.0))

    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len(lines) == 2 + len(AT_A_TIME) * len(Way)
    assert len({line.count("|") for line in lines}) == 1
    assert "| 8 | this project | 50 | 0.50 | 5.00 | 20.0 | 10.0 | 20.0 | 5.0 |" in lines
    assert "rate ≥ 3 times LiteLLM's: 5.00, reached." in text
    assert "rate ≥ 0.6 times the direct one: 0.50, NOT reached." in text


def test_everything_that_was_found_can_be_written_as_json() -> None:
    found = findings(ours=20.0).to_dict()

    assert len(found["figures"]) == len(AT_A_TIME) * len(Way)
    assert found["figures"][0]["rates"] == [50.0]
    assert [one["reached"] for one in found["goals"]] == [True, False, True]
