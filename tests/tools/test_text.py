"""The tools for text and data that need no sandbox."""

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vera_orchestrator.errors import InvalidPayload
from vera_orchestrator.tools import ToolContext, ToolRegistry
from vera_orchestrator.tools.builtin.data import csv_to_json, parse_json
from vera_orchestrator.tools.builtin.text import count_tokens, text_stats

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text('aé"\\{'),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab"), inner, max_size=3),
    max_leaves=8,
)


def test_tokens_are_estimated_and_say_so() -> None:
    assert count_tokens("") == {"tokens": 0, "method": "estimate"}
    assert count_tokens("four") == {"tokens": 1, "method": "estimate"}
    assert count_tokens("fours") == {"tokens": 2, "method": "estimate"}
    assert count_tokens("日本") == {"tokens": 2, "method": "estimate"}


def test_a_text_is_counted() -> None:
    assert text_stats("Don't stop. Don’t!\nÉtude no. 3?\n\nEnd") == {  # noqa: RUF001
        "characters": 36,
        "bytes": 39,
        "words": 7,
        "unique_words": 7,
        "lines": 4,
        "sentences": 4,
        "paragraphs": 2,
    }
    assert set(text_stats("").values()) == {0}


async def test_a_digest_is_of_the_text_in_utf8(builtins: ToolRegistry, context: ToolContext) -> None:
    for given_, algorithm in (({}, "sha256"), ({"algorithm": "md5"}, "md5"), ({"algorithm": "blake2b"}, "blake2b")):
        digest = hashlib.new(algorithm, "é".encode()).hexdigest()
        assert await builtins.call("hash_text", {"text": "é", **given_}, context) == {
            "algorithm": algorithm,
            "digest": digest,
        }
    with pytest.raises(InvalidPayload, match="algorithm") as raised:
        await builtins.call("hash_text", {"text": "", "algorithm": "crc32"}, context)
    assert "sha256" in str(raised.value)


@given(value=JSON)
def test_json_comes_back_as_the_value_it_stands_for(value: Any) -> None:
    assert parse_json(json.dumps(value)) == value


@pytest.mark.parametrize("text", ["", "{", "NaN", "[Infinity]", "1 2", "[" * 100_000, "9" * 5_000])
def test_what_is_not_json_is_refused_with_the_reason(text: str) -> None:
    with pytest.raises(InvalidPayload, match="is not JSON: ") as raised:
        parse_json(text)
    assert raised.value.field == "payload.tool_input.text"


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("", []),
        ("a,b\n", []),
        ("a,b\n1,2\n", [{"a": "1", "b": "2"}]),
        ("\ufeffa;b\r\n1,5;2\r\n", [{"a": "1,5", "b": "2"}]),
        ("a\tb\n1\t\n\n2\n", [{"a": "1", "b": ""}, {"a": "2", "b": None}]),
        ('a,b\n"x, ""y""\nz",2', [{"a": 'x, "y"\nz', "b": "2"}]),
        ("a,a,a_2\n1,2,3", [{"a": "1", "a_3": "2", "a_2": "3"}]),
        ("a\n1\n", [{"a": "1"}]),
        ("a,b\n1,2,3,4", [{"a": "1", "b": "2", "extra": ["3", "4"]}]),
    ],
)
def test_csv_becomes_one_object_per_row(text: str, rows: list[dict[str, Any]]) -> None:
    assert csv_to_json(text) == rows


@pytest.mark.parametrize("text", ['a,b\n"open', 'a\n"x"y', f"a\n{'x' * 200_000}"])
def test_csv_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(InvalidPayload, match="is not CSV: "):
        csv_to_json(text)


@given(header=st.lists(st.sampled_from(["a", "a_2", "a_3", "b"]), min_size=2, max_size=6), data=st.data())
def test_no_column_is_lost(header: list[str], data: st.DataObject) -> None:
    row = data.draw(st.lists(st.sampled_from("xyz"), min_size=len(header), max_size=len(header)))
    (made,) = csv_to_json(f"{','.join(header)}\n{','.join(row)}")
    assert list(made.values()) == row
