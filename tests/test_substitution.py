from __future__ import annotations

import copy
import json
import re
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from vera_orchestrator.errors import SubstitutionFailed
from vera_orchestrator.substitution import substitute

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
IDS = ["a", "a.b", "task-1", "my task"]
TEXTS = st.lists(
    st.sampled_from(["{", "}", "{{", "}}", "{a}", "{a.b}", "{a.b.c}", "{task-1}", *IDS, ".", "c", "-2", '"', "\n", " "])
).map("".join)


def fill(text: str, **results: Any) -> Any:
    return substitute({"text": text}, results)["text"]


def test_a_placeholder_inside_a_text_is_replaced() -> None:
    payload = {"prompt": "Summarize: {task-1}"}
    assert substitute(payload, {"task-1": "Once upon a time"}) == {"prompt": "Summarize: Once upon a time"}


def test_inside_a_text_other_values_become_compact_json() -> None:
    assert fill("got {a}!", a={"x": [1, None], "y": "ü"}) == 'got {"x":[1,null],"y":"ü"}!'
    assert fill("{a}{b}", a=1.5, b=True) == "1.5true"
    assert fill("{a} ", a=None) == "null "


@pytest.mark.parametrize("result", [{"x": 1}, [1, 2], 3, 2.5, True, None, "text", ""])
def test_a_text_that_is_one_placeholder_becomes_the_result_itself(result: Any) -> None:
    filled = fill("{a}", a=result)
    assert filled == result
    assert type(filled) is type(result)


def test_a_path_leads_into_objects_and_lists() -> None:
    result = {"items": [{"name": "first one"}, {"full name": 7}]}
    assert fill("{a.items.0.name}", a=result) == "first one"
    assert fill("is {a.items.1.full name}", a=result) == "is 7"
    assert fill("{a.0}", a=["zero"]) == "zero"
    assert fill("{a.0}", a={"0": "a key of digits"}) == "a key of digits"


def test_a_path_leads_into_a_text_that_is_json() -> None:
    assert fill("{a.x.1}", a=' {"x": [1, 2]}') == 2
    assert fill("{a}", a='{"x": 1}') == '{"x": 1}'


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("{a.y}", {"x": 1}),
        ("{a.x.y}", {"x": 1}),
        ("{a.2}", [0, 1]),
        ("{a.-1}", [0, 1]),
        ("{a.²}", [0, 1, 2]),
        ("{a.99999999999999999999}", [0]),
        ("{a.x}", "plain text"),
        ("{a.x}", "[not json"),
        ("{a.x}", "[" * 100_000),
        ("{a.0}", '"text"'),
        ("{a.x}", None),
        ("within {a.x} text", 5),
    ],
)
def test_an_unknown_path_fails_and_names_task_and_path(text: str, result: Any) -> None:
    path = text[text.index(".") + 1 : text.index("}")]
    with pytest.raises(SubstitutionFailed) as caught:
        fill(text, a=result)
    assert "'a'" in str(caught.value)
    assert repr(path) in str(caught.value)
    assert caught.value.remedy
    assert not caught.value.retryable


@pytest.mark.parametrize(
    "text",
    [
        'def f(x):\n    return f"{x!r} {other} {y:>10} {{literal}}"',
        "int main() { if (a) { return {1}; } }",
        '{"a": {"b": [1, {}]}}',
        "{ a }",
        "{a",
        "a}",
        "{A}",
        "{a.}",
        "{a..b}",
        "{ab}",
        "{a:b}",
        "${{ github.ref }}",
        "{}",
        "{{}}",
        "{{b}}",
    ],
)
def test_every_other_brace_is_left_alone(text: str) -> None:
    payload = {"code": text}
    assert substitute(payload, {"a": "RESULT", "": "EMPTY"}) is payload


def test_doubled_braces_give_the_literal_placeholder() -> None:
    assert fill("{{a}} is {a}", a=1) == "{a} is 1"
    assert fill("{{a}}", a=1) == "{a}"
    assert fill("{{a.x.0}}", a=1) == "{a.x.0}"
    assert fill("{{{a}}}", a=1) == "{{a}}"


def test_a_placeholder_may_stand_directly_beside_other_braces() -> None:
    assert fill('{"x":{"y":{a}}}', a=1) == '{"x":{"y":1}}'
    assert fill("{{a}", a=1) == "{1"
    assert fill("{a}}", a=1) == "1}"


def test_the_longest_id_wins() -> None:
    results = {"a": {"b": "path", "bc": "other"}, "a.b": {"c": "longest"}}
    payload = {"x": "{a.b.c}", "y": "{a.bc}", "z": "{{a.b}} {a.b}"}
    assert substitute(payload, results) == {"x": "longest", "y": "other", "z": '{a.b} {"c":"longest"}'}


@pytest.mark.parametrize("task_id", ["a b", "a-b", "a.b", "a}b", "{a", "a}", "(a|b)*", "ü", "a\\d", "{{x"])
def test_ids_may_have_any_characters(task_id: str) -> None:
    assert substitute({"x": f"<{{{task_id}}}>"}, {task_id: 1}) == {"x": "<1>"}
    assert substitute({"x": f"<{{{{{task_id}}}}}>"}, {task_id: 1}) == {"x": f"<{{{task_id}}}>"}


def test_all_strings_of_a_payload_are_filled_but_not_the_keys() -> None:
    payload = {"{a}": "{a}", "list": ["{a}", ["x{a}"], 1, None], "object": {"inner": {"deep": "{a}"}, "n": 2.5}}
    assert substitute(payload, {"a": 7}) == {
        "{a}": 7,
        "list": [7, ["x7"], 1, None],
        "object": {"inner": {"deep": 7}, "n": 2.5},
    }


def test_the_template_is_never_changed() -> None:
    payload = {"list": ["{a}", {"x": "{a.k}"}]}
    before = copy.deepcopy(payload)
    filled = substitute(payload, {"a": {"k": 1}})
    assert payload == before
    assert filled == {"list": [{"k": 1}, {"x": 1}]}


def test_a_payload_may_be_nested_deeply() -> None:
    payload: dict[str, Any] = {"x": "{a}"}
    for _ in range(5_000):
        payload = {"x": payload}
    filled: Any = substitute(payload, {"a": 1})
    for _ in range(5_000):
        filled = filled["x"]
    assert filled == {"x": 1}


def test_many_dependencies_can_be_put_into_one_text() -> None:
    results = {f"task-{number}": number for number in range(10_000)}
    text = ",".join(f"{{{task_id}}}" for task_id in results)
    assert substitute({"x": text}, results) == {"x": ",".join(map(str, range(10_000)))}


@given(TEXTS)
def test_a_text_without_a_declared_id_in_braces_is_unchanged(text: str) -> None:
    assume(not any(f"{{{task_id}{after}" in text for task_id in IDS for after in "}."))
    payload = {"x": [text]}
    assert substitute(payload, dict.fromkeys(IDS, "RESULT")) is payload


@given(st.text())
def test_without_dependencies_every_text_is_unchanged(text: str) -> None:
    payload = {"x": text, "y": "{a}"}
    assert substitute(payload, {}) is payload


@given(TEXTS, TEXTS)
def test_inserted_text_is_never_looked_at_again(first: str, second: str) -> None:
    assert fill("<{a}{b}|{{a}}>", a=first, b=second) == f"<{first}{second}|{{a}}>"


@given(JSON_VALUES)
def test_an_exact_placeholder_keeps_every_value(value: Any) -> None:
    assert fill("{a}", a=value) is value
    assert fill("{a.x.0}", a={"x": [value]}) is value


@given(JSON_VALUES)
def test_what_is_inserted_into_a_text_can_be_read_back(value: Any) -> None:
    assume(not isinstance(value, str))
    assert json.loads(fill(" {a}", a=value)) == value


@given(TEXTS)
def test_a_text_with_all_its_placeholders_escaped_comes_back(text: str) -> None:
    escaped = re.sub(r"\{(?:a\.b|a|task-1|my task)(?:\.[^.{}\n]+)*\}", lambda found: f"{{{found.group()}}}", text)
    assert fill(escaped, **dict.fromkeys(IDS, "RESULT")) == text


@given(TEXTS)
def test_a_text_that_changes_has_a_declared_id_in_braces(text: str) -> None:
    results = {task_id: {"c": "RESULT"} for task_id in IDS}
    try:
        changed = fill(text, **results) != text
    except SubstitutionFailed:
        changed = True
    assert changed == bool(re.search(r"\{(?:a\.b|a|task-1|my task)(?:\.[^.{}\n]+)*\}", text))
