"""What becomes of a body."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vera_orchestrator.http.body import decode

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(JSON, st.sampled_from(["application/json", "Application/JSON; charset=utf-8", "application/problem+json"]))
def test_json_comes_back_as_the_value_it_was(value: Any, content_type: str) -> None:
    assert decode(json.dumps(value).encode(), content_type).data == value


@given(st.binary(min_size=1), st.text(max_size=40))
def test_any_body_of_any_type_has_a_json_form(body: bytes, content_type: str) -> None:
    decoded = decode(body, content_type)
    assert json.loads(json.dumps(decoded.data, allow_nan=False)) == decoded.data
    if decoded.encoding == "base64":
        assert base64.b64decode(decoded.data) == body


@pytest.mark.parametrize("body", [b"not json", b"NaN", b'{"a": Infinity}', b"[" * 100_000])
def test_what_says_json_and_is_not_is_text(body: bytes) -> None:
    assert decode(body, "application/json").data == body.decode()


def test_text_is_read_in_its_own_character_set() -> None:
    assert decode("für".encode("latin-1"), 'text/plain; charset="iso-8859-1"').data == "für"


@pytest.mark.parametrize("charset", ["idna", "punycode", "rot13", "hex", "unknown", "unicode_escape"])
def test_a_codec_that_is_no_character_set_is_not_used(charset: str) -> None:
    assert decode(b"caf\\xe9", f"text/plain; charset={charset}").data == "caf\\xe9"


def test_a_binary_body_is_base64() -> None:
    assert decode(b"\x89PNG\x00", "image/png").encoding == "base64"
    assert decode(b"a\x00b", "application/octet-stream").encoding == "base64"


def test_an_empty_body_is_none() -> None:
    assert decode(b"", "application/json").data is None
