from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from vera_orchestrator.ranking import REMAINS_KEPT, Ranking

Step = tuple[str, int | None]
"""A member and its new rank; None takes it out."""


def test_an_empty_ranking_has_no_first() -> None:
    ranking = Ranking[str]()
    assert ranking.first() is None
    assert len(ranking) == 0


def test_of_equal_ranks_the_first_to_be_put_goes_first() -> None:
    ranking = Ranking[str]()
    for member in "cab":
        ranking.put(member, 1)
    assert ranking.first() == "c"
    ranking.discard("c")
    assert ranking.first() == "a"


def test_a_member_that_is_not_there_can_be_discarded() -> None:
    ranking = Ranking[str]()
    ranking.discard("a")
    ranking.put("b", 1)
    ranking.discard("a")
    assert ranking.first() == "b"
    assert ranking.rank("a") is None


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.none() | st.integers(-3, 3)), max_size=200))
def test_the_first_is_always_one_of_the_lowest_rank(steps: list[Step]) -> None:
    ranking = Ranking[str]()
    ranks: dict[str, int] = {}
    for member, rank in steps:
        if rank is None:
            ranking.discard(member)
            ranks.pop(member, None)
        else:
            ranking.put(member, rank)
            ranks[member] = rank
        first = ranking.first()
        assert len(ranking) == len(ranks)
        assert (first is None) == (not ranks)
        if first is not None:
            assert ranks[first] == min(ranks.values())
        assert all(ranking.rank(one) == rank for one, rank in ranks.items())


def test_outdated_places_do_not_pile_up() -> None:
    ranking = Ranking[str]()
    ranking.put("foremost", -1)
    for number in range(10_000):
        ranking.put("moving", number)
    assert ranking.places <= 2 * 2 + REMAINS_KEPT
