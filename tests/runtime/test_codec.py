"""Tasks and results as the journal's rows hold them."""

from __future__ import annotations

import dataclasses
import math
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vera_orchestrator.enums import TaskPriority, TaskStatus
from vera_orchestrator.errors import InvalidPayload, ResultNotSerializable, ResultTooLarge
from vera_orchestrator.journal.records import TaskRow
from vera_orchestrator.models import Task, TaskRequirements, TaskResult
from vera_orchestrator.runtime.codec import (
    decode_result,
    decode_task,
    encode_result,
    encode_spec,
    to_datetime,
    to_seconds,
)
from vera_orchestrator.runtime.entry import Upstream

LIMIT = 16_000_000
texts = st.text(st.characters(codec="utf-8"))
numbers = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
json_values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=10,
)
times = st.none() | st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))
names = st.lists(st.text(st.characters(codec="utf-8"), min_size=1), max_size=3)


def row_of(task: Task, spec: str, **more: Any) -> TaskRow:
    fields: dict[str, Any] = {
        "key": 1,
        "id": task.id,
        "type": str(task.type),
        "priority": int(task.priority),
        "submitted_at": 1.0,
        "store": task.store,
        **more,
    }
    return TaskRow(spec=spec, **fields)


@given(
    payload=st.dictionaries(texts, json_values, max_size=3),
    metadata=st.dictionaries(texts, json_values, max_size=2),
    priority=st.sampled_from(TaskPriority),
    numbers=st.fixed_dictionaries(
        {"max_retries": st.integers(0, 9), "retry_delay_seconds": st.floats(0, 100), "can_parallelize": st.booleans()}
    ),
    maybe=st.fixed_dictionaries(
        {name: st.none() | st.floats(0.1, 9) for name in ("timeout_seconds", "max_wait_seconds")}
    ),
    keys=st.fixed_dictionaries({name: st.none() | st.just("k") for name in ("fairness_key", "concurrency_key")}),
    lists=st.fixed_dictionaries(dict.fromkeys(("tags", "depends_on", "depends_on_any"), names)),
    moments=st.fixed_dictionaries({"scheduled_at": times, "expires_at": times}),
    requirements=st.builds(
        TaskRequirements, gpu=st.booleans(), worker_capabilities=names, worker_id=st.none() | st.just("w")
    ),
)
def test_a_task_comes_back_as_it_was_submitted(
    payload: Any, metadata: Any, priority: Any, numbers: Any, maybe: Any, keys: Any, lists: Any, moments: Any,
    requirements: Any,
) -> None:  # fmt: skip
    task = Task(
        payload=payload, metadata=metadata, priority=priority, requirements=requirements,
        **numbers, **maybe, **keys, **lists, **moments,
    )  # fmt: skip
    after = [Upstream(7, True, "a"), Upstream(8, False)]
    decoded, upstream = decode_task(row_of(task, encode_spec(task, task.payload, after=after, batch_id="b")))
    assert upstream == after
    assert decoded.batch_id == "b"
    for field in dataclasses.fields(Task):
        if field.name not in ("submitted_at", "batch_id", "status"):
            assert (
                getattr(decoded, field.name) == pytest.approx(getattr(task, field.name))
                if isinstance(getattr(task, field.name), float)
                else getattr(decoded, field.name) == getattr(task, field.name)
            ), field.name


def test_what_is_as_by_default_takes_no_room() -> None:
    assert encode_spec(Task(), {}, after=(), batch_id=None) == '{"payload":{}}'


@pytest.mark.parametrize("field", ["payload", "metadata"])
@pytest.mark.parametrize("value", [object(), {1, 2}, b"x", {1: "number as a key"}], ids=lambda one: type(one).__name__)
def test_what_has_no_json_form_is_refused(field: str, value: object) -> None:
    task = Task(**{field: {"x": value}})  # pyright: ignore[reportArgumentType]
    with pytest.raises(InvalidPayload, match="JSON"):
        encode_spec(task, task.payload, after=(), batch_id=None)


def test_an_ended_row_without_a_result_still_says_how_it_ended() -> None:
    task = Task()
    spec = encode_spec(task, {}, after=(), batch_id=None)
    row = row_of(task, spec, status=TaskStatus.FAILED, completed_at=2.0, error="why", worker_id="w")
    decoded, _ = decode_task(row)
    assert decoded.result is not None
    assert (decoded.result.success, decoded.result.error, decoded.result.worker_id) == (False, "why", "w")
    assert decoded.status_reason == "why"
    unfinished, _ = decode_task(row_of(task, spec))
    assert unfinished.result is None


@given(data=json_values, metrics=st.dictionaries(texts, json_values, max_size=2))
def test_a_result_comes_back_as_it_was(data: Any, metrics: Any) -> None:
    result = TaskResult(success=True, data=data, metrics=metrics, execution_time_ms=1.5, worker_id="w")
    assert decode_result(encode_result(result, LIMIT)) == result


def test_no_result_is_none() -> None:
    assert decode_result(None) is None


def test_numbers_that_json_does_not_have_become_null() -> None:
    decoded = decode_result(encode_result(TaskResult(success=True, data=[math.nan, math.inf]), LIMIT))
    assert decoded is not None and decoded.data == [None, None]


def test_a_result_is_measured_in_bytes_of_its_json() -> None:
    result = TaskResult(success=True, data="ä" * 1_000)
    size = len(encode_result(result, LIMIT).encode())
    assert encode_result(result, size)
    with pytest.raises(ResultTooLarge, match=f"{size:,} bytes"):
        encode_result(result, size - 1)


def test_a_result_without_a_json_form_says_what_to_return() -> None:
    with pytest.raises(ResultNotSerializable, match="Return numbers"):
        encode_result(TaskResult(success=True, data=object()), LIMIT)


def test_a_time_without_a_zone_is_taken_as_utc() -> None:
    naive = datetime(2026, 1, 1, 12)
    assert to_seconds(naive) == to_seconds(naive.replace(tzinfo=UTC))
    elsewhere = datetime(2026, 1, 1, 14, tzinfo=timezone(timedelta(hours=2)))
    assert to_seconds(elsewhere) == to_seconds(naive)
    assert to_datetime(to_seconds(elsewhere)) == elsewhere
    assert to_datetime(None) is None
