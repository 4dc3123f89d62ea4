"""Secrets in payloads: none is written in clear, none is shown, and the worker gets what was meant."""

from __future__ import annotations

import json
import multiprocessing
import stat
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st

from vera_orchestrator.errors import InvalidPayload, NotAllowed, NotConfigured
from vera_orchestrator.secrets import (
    EVERY_SECRET,
    SECRET_HEADERS,
    SECRET_KEYS,
    Sealer,
    check_allowed,
    environment_variable,
    mask,
    may_use,
    redact,
    references,
    resolve_secrets,
)

SEALER = Sealer(Fernet.generate_key())
NAMES = sorted(SECRET_HEADERS | SECRET_KEYS)

plain_names = st.text(max_size=8).map("x".__add__)
secret_names = st.sampled_from(NAMES).flatmap(lambda name: st.sampled_from([name, name.upper(), name.title()]))
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
payloads = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(plain_names | secret_names, inner, max_size=3),
    max_leaves=12,
)


def secret_payload(secret: str, name: str, path: list[str | int]) -> dict[str, Any]:
    """Return a payload that holds a secret under a name, as deep inside as the path is long."""
    inner: Any = {name: secret}
    for step in path:
        inner = {f"x{step}": inner, "y": 1} if isinstance(step, str) else [inner] * (step % 2 + 1)
    return {"prompt": "hello", "inner": inner}


hidden = st.text("abcdefgh0123456789", min_size=12, max_size=20).map("Q".__add__)
paths = st.lists(st.text("abc", max_size=2) | st.integers(0, 5), max_size=4)


@given(payloads)
def test_unsealing_restores_what_was_sealed(payload: Any) -> None:
    assert SEALER.unseal(SEALER.seal(payload)) == payload


@given(payloads)
def test_sealing_twice_is_sealing_once(payload: Any) -> None:
    sealed = SEALER.seal(payload)
    assert SEALER.seal(sealed) is sealed


@given(hidden, secret_names, paths)
def test_no_secret_is_written_in_clear(secret: str, name: str, path: list[str | int]) -> None:
    payload = secret_payload(secret, name, path)
    before = json.dumps(payload)
    assert secret not in json.dumps(SEALER.seal(payload))
    assert json.dumps(payload) == before


@given(hidden, secret_names, paths)
def test_no_secret_is_shown_whether_clear_or_sealed(secret: str, name: str, path: list[str | int]) -> None:
    payload = secret_payload(secret, name, path)
    shown = mask(payload)
    assert secret not in json.dumps(shown)
    assert "***" in json.dumps(shown)
    assert mask(SEALER.seal(payload)) == shown


@pytest.mark.parametrize("payload", [{}, {"prompt": "password"}, {"max_tokens": 5, "a": [{"b": ("c",)}]}])
def test_a_payload_without_secrets_is_given_back_itself(payload: dict[str, Any]) -> None:
    assert SEALER.seal(payload) is payload
    assert SEALER.unseal(payload) is payload
    assert SEALER.open(payload).payload is payload
    assert mask(payload) is payload
    assert resolve_secrets(payload) is payload


@pytest.mark.parametrize("payload", [{"password": None}, {"password": ""}, {"token": True}, {"secret": {}}])
def test_what_holds_nothing_is_no_secret(payload: dict[str, Any]) -> None:
    assert SEALER.seal(payload) is payload


def test_everything_within_a_secret_is_one() -> None:
    payload = {"secret": {"user": "admin", "codes": [1234, "abcd"]}, "rest": ("a", {"password": "pw"})}
    assert mask(payload) == {"secret": {"user": "***", "codes": ["***", "***"]}, "rest": ("a", {"password": "***"})}
    assert SEALER.unseal(SEALER.seal(payload)) == payload


def test_a_value_marked_as_sealed_is_encrypted_and_comes_back_without_the_mark() -> None:
    payload = {"body": {"$sealed": {"pin": 1234}}}
    sealed = SEALER.seal(payload)
    assert "1234" not in json.dumps(sealed)
    assert mask(payload) == mask(sealed) == {"body": "***"}
    assert SEALER.unseal(sealed) == SEALER.unseal(payload) == {"body": {"pin": 1234}}


def test_what_another_key_sealed_cannot_be_opened() -> None:
    sealed = Sealer(Fernet.generate_key()).seal({"password": "hunter2"})
    with pytest.raises(NotConfigured, match="another key"):
        SEALER.unseal(sealed)


def test_a_payload_that_is_nested_too_deeply_is_refused() -> None:
    payload: dict[str, Any] = {}
    for _ in range(10_000):
        payload = {"a": payload}
    with pytest.raises(InvalidPayload, match="nested too deeply"):
        SEALER.seal(payload)


def test_a_named_secret_is_looked_up_wherever_it_stands() -> None:
    payload = {"headers": {"Authorization": {"$secret": "a"}}, "list": [{"$secret": "b"}], "text": "$secret"}
    resolved = resolve_secrets(payload, {"a": "Bearer 1", "b": "2"}.__getitem__)
    assert resolved == {"headers": {"Authorization": "Bearer 1"}, "list": ["2"], "text": "$secret"}
    assert payload["list"] == [{"$secret": "b"}]


def test_a_reference_is_neither_sealed_nor_hidden() -> None:
    payload = {"headers": {"Authorization": {"$secret": "github"}}}
    assert SEALER.seal(payload) is payload
    assert mask(payload) is payload


def test_secrets_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VERA_SECRET_GIT_HUB_2", "hunter2")
    assert environment_variable("git-hub.2") == "VERA_SECRET_GIT_HUB_2"
    assert resolve_secrets({"key": {"$secret": "git-hub.2"}}) == {"key": "hunter2"}


def test_a_missing_secret_is_named_with_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VERA_SECRET_ABSENT", raising=False)
    with pytest.raises(NotConfigured, match=r"'absent' is not set\. Set VERA_SECRET_ABSENT"):
        resolve_secrets({"key": {"$secret": "absent"}})


def test_opening_gives_the_clear_payload_and_every_secret_in_it() -> None:
    payload = {"password": "hunter2", "a": {"$sealed": ["s1", 22]}, "b": {"$secret": "name"}, "c": "plain"}
    for form in (payload, SEALER.seal(payload)):
        opened = SEALER.open(form, lambda name: f"value of {name}")
        assert opened.payload == {"password": "hunter2", "a": ["s1", 22], "b": "value of name", "c": "plain"}
        assert opened.values == {"hunter2", "s1", "22", "value of name"}


def test_what_was_opened_is_not_opened_again() -> None:
    inner = {"$secret": "name"}
    payload = SEALER.seal({"a": {"$sealed": inner}})
    assert SEALER.open(payload, lambda _: "looked up").payload == {"a": inner}


def test_redacting_hides_long_secrets_in_both_spellings() -> None:
    text = "GET /?k=p%40ss%2Fword failed: p@ss/word, p@ss/word-2; the cat sat"
    assert redact(text, ["p@ss/word", "p@ss/word-2", "cat"]) == "GET /?k=*** failed: ***, ***; the cat sat"


@given(st.text(max_size=40), st.lists(hidden, max_size=3))
def test_no_long_secret_is_left_in_a_text(text: str, secrets: list[str]) -> None:
    redacted = redact(text + " ".join(secrets), secrets)
    assert not [secret for secret in secrets if secret in redacted]


def test_a_key_file_is_made_once_and_for_the_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "state" / "secrets.key"
    sealed = Sealer.from_file(path).seal({"password": "hunter2"})
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert Sealer.from_file(path).unseal(sealed) == {"password": "hunter2"}
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_key_file_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "secrets.key"
    Sealer.from_file(path)
    path.chmod(mode)
    with pytest.raises(NotConfigured, match="chmod 600"):
        Sealer.from_file(path)


@pytest.mark.parametrize("content", [b"", b"short", b"\xff" * 44])
def test_a_file_that_holds_no_key_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "secrets.key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(NotConfigured, match="key for sealed secrets"):
        Sealer.from_file(path)


def _seal_at_once(path: Path, barrier: Any, results: Any) -> None:
    barrier.wait()
    results.put(Sealer.from_file(path).seal({"password": "hunter2"}))


def test_processes_that_make_the_key_at_once_share_one(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    path, barrier, results = tmp_path / "secrets.key", context.Barrier(3), context.Queue()
    processes = [context.Process(target=_seal_at_once, args=(path, barrier, results)) for _ in range(3)]
    for process in processes:
        process.start()
    sealed = [results.get(timeout=180) for _ in processes]
    for process in processes:
        process.join()
    sealer = Sealer.from_file(path)
    assert [sealer.unseal(item) for item in sealed] == [{"password": "hunter2"}] * 3


def test_a_secret_is_allowed_by_the_name_of_its_variable() -> None:
    assert may_use({"CRM_TOKEN", "MAIL"}, "crm-token")
    assert may_use({EVERY_SECRET}, "crm-token")
    for allowed in ((), {"MAIL"}, {"CRM"}, {"CRM_TOKEN_2"}):
        assert not may_use(allowed, "CRM_TOKEN")
    assert not may_use({"MAIL"}, EVERY_SECRET)


names = st.text("ab*", max_size=3)
naming = st.recursive(
    scalars | names.map(lambda name: {"$secret": name}) | names.map(lambda name: {"$sealed": {"$secret": name}}),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.sampled_from(["$secret", "$sealed", "password", "x"]), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(naming)
def test_what_is_looked_up_is_what_was_found_before_to_be_checked(payload: Any) -> None:
    asked: list[str] = []

    def look_up(name: str) -> str:
        asked.append(name)
        return "value"

    SEALER.open(payload, look_up)
    assert sorted(asked) == sorted(name for _, name in references(payload))


def test_the_place_of_a_secret_that_is_not_allowed_is_named() -> None:
    payload = {"headers": [{"x": 1}, {"Authorization": {"$secret": "CRM"}}]}
    check_allowed(payload, {"crm"}, place="payload", remedy="")
    with pytest.raises(NotAllowed) as refused:
        check_allowed(payload, (), place="payload", remedy="Allow {}.")
    assert (refused.value.field, refused.value.remedy) == ("payload.headers.1.Authorization", "Allow CRM.")
