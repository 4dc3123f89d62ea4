"""Keys: made, recognised, ended."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr

from tests.support import settings
from vera_orchestrator.callers import ALL_SECRETS, ENVIRONMENT, LOCAL, NO_SECRETS, Caller, Scope
from vera_orchestrator.errors import InvalidValue, NotFound, OverLimit, RateExceeded
from vera_orchestrator.journal.base import Journal
from vera_orchestrator.journal.memory import MemoryJournal
from vera_orchestrator.keys import KNOWN_SECONDS, Keys, digest_of, id_in, open_keys
from vera_orchestrator.models import APIQuota
from vera_orchestrator.quota import Limits

DAILY = APIQuota(requests_per_minute=None, requests_per_hour=None, requests_per_day=None, tokens_per_day=500)


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def journal(clock: Clock) -> AsyncIterator[Journal]:
    journal = MemoryJournal(now=clock)
    await journal.open()
    yield journal
    await journal.close()


@pytest.fixture
def keys(journal: Journal, clock: Clock) -> Keys:
    return Keys(journal, SecretStr("from the environment"), now=clock)


async def test_a_key_is_recognised_with_all_that_it_was_given(keys: Keys) -> None:
    made = await keys.create("nightly", scopes=[Scope.READ], weight=2.5, quota=DAILY, secrets=["CRM"])

    caller = await keys.authenticate(made.key.encode())

    assert caller == Caller(
        id=made.row.id,
        name="nightly",
        scopes=frozenset({Scope.READ}),
        weight=2.5,
        quota=DAILY,
        secrets=frozenset({"CRM"}),
    )


async def test_a_new_key_may_use_no_secret_and_who_needs_no_key_all(keys: Keys) -> None:
    assert (await keys.create("a")).row.secrets == NO_SECRETS
    assert LOCAL.secrets == ENVIRONMENT.secrets == ALL_SECRETS


async def test_nothing_that_is_kept_gives_the_key_away(keys: Keys, journal: Journal) -> None:
    made = await keys.create("nightly")
    secret = made.key.rpartition("_")[2]

    assert secret not in repr(await journal.access.keys())
    assert made.row.digest == digest_of(made.key.encode())
    assert len(secret) == 64


async def test_no_two_keys_are_alike(keys: Keys) -> None:
    made = [await keys.create("same") for _ in range(50)]
    assert len({one.key for one in made}) == len({one.row.id for one in made}) == 50


async def test_the_key_of_the_environment_has_all_scopes(keys: Keys) -> None:
    assert await keys.authenticate(b"from the environment") == ENVIRONMENT
    assert ENVIRONMENT.scopes == frozenset(Scope)


@pytest.mark.parametrize("key", [None, SecretStr("")])
async def test_where_the_environment_has_no_key_an_empty_one_opens_nothing(journal: Journal, key: SecretStr) -> None:
    assert await Keys(journal, key).authenticate(b"") is None


async def test_what_is_not_a_valid_key_is_nobody(keys: Keys, clock: Clock) -> None:
    right, revoked = await keys.create("right"), await keys.create("revoked")
    expired = await keys.create("expired", expires_at=clock.now + 5)
    await keys.revoke(revoked.row.id)
    clock.now += 5
    other_id = right.key.replace(right.row.id, revoked.row.id)
    for key in (revoked.key, expired.key, f"{right.key}x", right.key[:-1], other_id, "vera_0_x", "vera", "", "ü"):
        assert await keys.authenticate(key.encode()) is None, key
    assert await keys.authenticate(right.key.encode()) is not None


async def test_a_key_that_was_in_use_ends_at_once(keys: Keys, clock: Clock) -> None:
    revoked, expiring = await keys.create("a"), await keys.create("b", expires_at=clock.now + KNOWN_SECONDS / 4)
    for made in (revoked, expiring):
        assert await keys.authenticate(made.key.encode()) is not None

    await keys.revoke(revoked.row.id)
    clock.now += KNOWN_SECONDS / 2

    for made in (revoked, expiring):
        assert await keys.authenticate(made.key.encode()) is None


async def test_another_process_hears_of_it_within_a_second(keys: Keys, journal: Journal, clock: Clock) -> None:
    made, elsewhere = await keys.create("a"), Keys(journal, now=clock)
    assert await elsewhere.authenticate(made.key.encode()) is not None

    await keys.revoke(made.row.id)
    clock.now += KNOWN_SECONDS

    assert await elsewhere.authenticate(made.key.encode()) is None


async def test_revoking_again_changes_nothing_and_an_unknown_id_is_said(keys: Keys, clock: Clock) -> None:
    made = await keys.create("a")
    first = await keys.revoke(made.row.id)
    clock.now += 10
    assert await keys.revoke(made.row.id) == first == replace(made.row, revoked_at=clock.now - 10)
    with pytest.raises(NotFound, match="key_id"):
        await keys.revoke("none")


@pytest.mark.parametrize(
    ("field", "given"),
    [
        ("name", {"name": " "}),
        ("name", {"name": "x" * 201}),
        ("scopes", {"scopes": []}),
        ("expires_at", {"expires_at": 5.0}),
        ("expires_at", {"expires_at": 1e12}),
        ("expires_at", {"expires_at": float("nan")}),
        ("rate_limit_per_minute", {"rate_per_minute": 0}),
        ("weight", {"weight": 0.5}),
        ("secrets", {"secrets": ["two words"]}),
        ("secrets", {"secrets": ["*CRM"]}),
        ("secrets", {"secrets": [""]}),
        ("secrets", {"secrets": ["x" * 101]}),
        ("secrets", {"secrets": [f"s{number}" for number in range(101)]}),
        ("weight", {"weight": float("nan")}),
        ("tokens_per_day", {"quota": replace(DAILY, tokens_per_day=-1)}),
    ],
)
async def test_what_no_key_can_have_is_refused(keys: Keys, field: str, given: dict[str, object]) -> None:
    with pytest.raises(InvalidValue) as refused:
        await keys.create(**{"name": "a", **given})  # pyright: ignore[reportArgumentType]
    assert refused.value.field == field
    assert await keys.list() == []


async def test_a_rate_holds_for_all_that_know_the_key(keys: Keys, journal: Journal, clock: Clock) -> None:
    made, elsewhere = await keys.create("a", rate_per_minute=3), Keys(journal, now=clock)
    here, there = [await one.authenticate(made.key.encode()) for one in (keys, elsewhere)]
    assert here is not None and here.admit is not None
    assert there is not None and there.admit is not None
    await here.admit(2)
    await there.admit(1)

    with pytest.raises(RateExceeded) as refused:
        await here.admit(1)
    assert refused.value.retry_after is not None
    assert 60 <= refused.value.retry_after < 61
    with pytest.raises(OverLimit):
        await here.admit(4)

    clock.now += refused.value.retry_after
    await there.admit(3)


async def test_a_key_without_a_rate_asks_nobody(keys: Keys) -> None:
    caller = await keys.authenticate((await keys.create("a")).key.encode())
    assert caller is not None
    assert caller.admit is None


async def test_the_limits_and_weight_of_a_key_are_known_where_its_tasks_run(keys: Keys, journal: Journal) -> None:
    made, elsewhere = await keys.create("a", weight=7, quota=DAILY), Keys(journal, zone="Europe/Berlin")

    assert elsewhere.weight(made.row.id) == 1
    await elsewhere.learn([None, "gone", made.row.id, ENVIRONMENT.id])

    assert elsewhere.weight(made.row.id) == 7
    assert await elsewhere.limits(made.row.id) == Limits(tokens_per_day=500, zone="Europe/Berlin")
    assert await elsewhere.limits("gone") == await elsewhere.limits("environment") == Limits()


async def test_the_audit_says_who_did_what(keys: Keys, clock: Clock) -> None:
    await keys.note(LOCAL, "create_key", "k1", 200)
    await keys.note(ENVIRONMENT, "revoke_key", "k1", 404, detail="why")

    last, first = await keys.audit()

    assert (last.caller, last.action, last.target, last.status, last.detail) == (
        "environment",
        "revoke_key",
        "k1",
        404,
        "why",
    )
    assert (first.caller, first.at) == (None, clock.now)
    assert await keys.audit(limit=1, before=last.number) == [first]


async def test_keys_can_be_made_without_an_orchestrator(tmp_path: Path) -> None:
    config = settings(tmp_path / "new" / "home")
    async with open_keys(config) as keys:
        made = await keys.create("a")
    async with open_keys(config) as keys:
        assert [row.id for row in await keys.list()] == [made.row.id]


def test_the_id_is_read_from_what_looks_like_a_key() -> None:
    assert id_in(b"vera_abc_x_y") == "abc"
    assert id_in(b"sk_abc_x") == id_in(b"vera") == id_in(b"\xff") == ""
