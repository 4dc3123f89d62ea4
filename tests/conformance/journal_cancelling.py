"""What the journal promises about requests to cancel tasks, and about news of other processes."""

from __future__ import annotations

from tests.conformance.journal_rows import add_ended, ending, failure, join, task
from vera_orchestrator.journal.base import Journal
from vera_orchestrator.journal.records import News


class CancelSuite:
    """Requests to cancel what somebody else runs."""

    async def test_an_owner_is_told_which_of_its_tasks_to_cancel_and_why(self, journal: Journal) -> None:
        owner, other = await join(journal), await join(journal)
        await journal.add([task(1, owner=owner), task(2, owner=owner), task(3, owner=other)])

        assert await journal.ask_to_cancel([1, 3], "not needed") == 2

        assert await journal.asked_to_cancel(owner) == {1: "not needed"}
        assert await journal.asked_to_cancel(other) == {3: "not needed"}
        assert await journal.asked_to_cancel(404) == {}

    async def test_the_first_reason_counts(self, journal: Journal) -> None:
        owner = await join(journal)
        await journal.add([task(1, owner=owner), task(2, owner=owner)])

        assert await journal.ask_to_cancel([1], "first") == 1
        assert await journal.ask_to_cancel([1, 2, 2], "second") == 2

        assert await journal.asked_to_cancel(owner) == {1: "first", 2: "second"}

    async def test_what_is_unknown_or_has_ended_is_not_cancelled(self, journal: Journal) -> None:
        owner = await join(journal)
        await add_ended(journal, [1], owner=owner)

        assert await journal.ask_to_cancel([1, 404], "late") == 0
        assert await journal.ask_to_cancel([], "nothing") == 0

        assert await journal.asked_to_cancel(owner) == {}

    async def test_a_request_is_over_when_the_task_ends(self, journal: Journal) -> None:
        owner = await join(journal)
        await journal.add([task(1, owner=owner)])
        await journal.ask_to_cancel([1], "stop")

        await journal.ended(ending(1))

        assert await journal.asked_to_cancel(owner) == {}

    async def test_who_claims_a_task_is_told_that_it_was_to_be_cancelled(self, journal: Journal) -> None:
        dead, successor = await join(journal), await join(journal)
        await journal.add([task(1, owner=dead), task(2)])
        await journal.ask_to_cancel([1, 2], "stop")
        await journal.remove_owner(dead)
        assert await journal.asked_to_cancel(None) == {1: "stop", 2: "stop"}
        assert await journal.asked_to_cancel(successor) == {}

        await journal.claim(successor, [1, 2])

        assert await journal.asked_to_cancel(successor) == {1: "stop", 2: "stop"}
        assert await journal.asked_to_cancel(None) == {}

    async def test_a_task_that_gets_another_chance_is_not_to_be_cancelled_any_more(self, journal: Journal) -> None:
        owner = await join(journal)
        await journal.add([task(1, owner=owner)])
        await journal.ask_to_cancel([1], "stop")
        await journal.ended(failure(1))

        await journal.requeue_failed([1])
        await journal.claim(owner, [1])

        assert await journal.asked_to_cancel(owner) == {}
        assert await journal.ask_to_cancel([1], "again") == 1
        assert await journal.asked_to_cancel(owner) == {1: "again"}

    async def test_a_pruned_request_says_nothing_about_the_next_row_with_its_key(self, journal: Journal) -> None:
        owner = await join(journal)
        await journal.add([task(1, owner=owner), task(2, owner=owner)])
        await journal.ask_to_cancel([1, 2], "stop")
        await journal.ended(ending(1))
        await journal.prune(ended_before=5_000.0, keep=0, limit=10)

        await journal.add([task(1, owner=owner)])

        assert await journal.asked_to_cancel(owner) == {2: "stop"}

    async def test_thousands_can_be_cancelled_at_once(self, journal: Journal) -> None:
        owner = await join(journal)
        await journal.add([task(key, owner=owner) for key in range(1_200)])

        assert await journal.ask_to_cancel(range(1_200), "all") == 1_200

        assert await journal.asked_to_cancel(owner) == dict.fromkeys(range(1_200), "all")

    async def test_listening_is_over_with_the_journal(self, journal: Journal) -> None:
        heard: list[News] = []
        await journal.listen(heard.append)

        await journal.close()

        assert not journal.is_listening
