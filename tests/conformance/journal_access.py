"""What the journal promises about keys and the audit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from vera_orchestrator.callers import Scope
from vera_orchestrator.errors import InvalidValue, JournalUnavailable
from vera_orchestrator.journal.access import AuditRow, KeyRow
from vera_orchestrator.journal.base import Journal
from vera_orchestrator.models import APIQuota
from vera_orchestrator.secrets import EVERY_SECRET


def key(key_id: str = "k", **changes: Any) -> KeyRow:
    """Return a key with every field set."""
    row = KeyRow(
        id=key_id,
        name="nightly — 夜",
        digest="ab" * 32,
        scopes=frozenset({Scope.SUBMIT, Scope.READ}),
        created_at=1_000.25,
        expires_at=2_000.5,
        rate_per_minute=30,
        weight=2.5,
        quota=APIQuota(requests_per_minute=None, tokens_per_day=9, cost_limit_per_day=0.5),
        secrets=frozenset({"CRM_TOKEN", "mail.password"}),
    )
    return replace(row, **changes)


def entry(at: float, **changes: Any) -> AuditRow:
    """Return an entry of the audit."""
    return replace(AuditRow(at=at, action="revoke_key", status=200, caller="k", target="other"), **changes)


class KeySuite:
    """Keys."""

    async def test_a_key_comes_back_as_it_was_kept(self, journal: Journal) -> None:
        bare = key(
            "bare",
            scopes=frozenset({Scope.MANAGE}),
            expires_at=None,
            rate_per_minute=None,
            quota=None,
            secrets=frozenset(),
        )
        for row in (key(), bare, key("every", secrets=frozenset({EVERY_SECRET}))):
            await journal.access.add_key(row)
            assert await journal.access.key(row.id) == row

    async def test_what_is_not_a_key_is_none(self, journal: Journal) -> None:
        for key_id in ("", "none", "nul\0", "half \ud800"):
            assert await journal.access.key(key_id) is None
            assert await journal.access.revoke_key(key_id, 1.0) is None

    async def test_the_newest_is_listed_first(self, journal: Journal) -> None:
        for number in (2, 1, 3):
            await journal.access.add_key(key(f"k{number}", created_at=float(number)))

        assert [row.id for row in await journal.access.keys()] == ["k3", "k2", "k1"]

    async def test_an_id_is_given_once(self, journal: Journal) -> None:
        await journal.access.add_key(key())

        with pytest.raises(InvalidValue, match="id"):
            await journal.access.add_key(key(name="another"))

        assert await journal.access.key("k") == key()

    async def test_a_key_is_revoked_once(self, journal: Journal) -> None:
        await journal.access.add_key(key())

        assert await journal.access.revoke_key("k", 5.0) == key(revoked_at=5.0)
        assert await journal.access.revoke_key("k", 6.0) == key(revoked_at=5.0)

        assert await journal.access.key("k") == key(revoked_at=5.0)

    async def test_a_text_that_cannot_be_held_is_refused(self, journal: Journal) -> None:
        of_secrets = [key(secrets=frozenset({name})) for name in ("nul\0", "half \ud800", "two words", "")]
        for row in (key("nul\0"), key(name="half \ud800"), key("x" * 1_001), *of_secrets):
            with pytest.raises(InvalidValue):
                await journal.access.add_key(row)


class AuditSuite:
    """The audit."""

    async def test_entries_are_read_newest_first_and_in_pages(self, journal: Journal) -> None:
        for at in range(5):
            await journal.access.note(entry(float(at), detail=None if at % 2 else "why"))

        first = await journal.access.audit(limit=2)
        second = await journal.access.audit(limit=9, before=first[-1].number)

        assert [row.at for row in (*first, *second)] == [4, 3, 2, 1, 0]
        assert first[0] == entry(4.0, detail="why", number=first[0].number)
        assert await journal.access.audit(limit=9, before=second[-1].number) == []

    async def test_old_entries_go_the_oldest_first_and_no_number_comes_again(self, journal: Journal) -> None:
        for at in range(4):
            await journal.access.note(entry(float(at)))
        last = (await journal.access.audit(limit=1))[0].number

        assert await journal.access.prune_audit(before=3.0, limit=2) == 2
        assert [row.at for row in await journal.access.audit(limit=9)] == [3, 2]
        assert await journal.access.prune_audit(before=9.0, limit=9) == 2
        assert await journal.access.prune_audit(before=9.0, limit=9) == 0

        await journal.access.note(entry(9.0))
        assert (await journal.access.audit(limit=1))[0].number > last

    async def test_nobody_need_be_named(self, journal: Journal) -> None:
        await journal.access.note(AuditRow(at=1.0, action="create_key", status=422))

        (row,) = await journal.access.audit(limit=1)
        assert (row.caller, row.target, row.detail) == (None, None, None)

    async def test_a_closed_journal_says_so(self, new_store: Callable[[], Journal]) -> None:
        access = new_store().access
        for call in (
            access.add_key(key()),
            access.key("k"),
            access.keys(),
            access.revoke_key("k", 1.0),
            access.note(entry(1.0)),
            access.audit(limit=1),
            access.prune_audit(before=1.0, limit=1),
        ):
            with pytest.raises(JournalUnavailable):
                await call
