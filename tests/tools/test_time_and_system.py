"""The tools that tell about time and the machine."""

import os
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tools.conftest import MakeContext
from vera_orchestrator.errors import InvalidPayload
from vera_orchestrator.settings import OrchestratorConfig
from vera_orchestrator.tools import ToolContext, ToolRegistry
from vera_orchestrator.tools.builtin.time import time_delta


async def test_the_time_is_told_in_utc_and_locally(
    builtins: ToolRegistry, settings: OrchestratorConfig, make_context: MakeContext
) -> None:
    moment = datetime(2025, 1, 31, 12, 0, 0, 500_000, tzinfo=UTC)
    told = await builtins.call("get_time", {}, make_context(settings, now=lambda: moment))
    assert told["utc"] == "2025-01-31T12:00:00.500000+00:00"
    assert datetime.fromisoformat(told["local"]) == moment
    assert told["epoch"] == moment.timestamp()
    assert told["zone"]


@pytest.mark.parametrize(
    ("start", "end", "seconds", "text"),
    [
        ("2025-01-01T00:00:00Z", "2025-01-02T02:00:01Z", 93_601.0, "1 day 2 hours 1 second"),
        ("2025-01-01T00:00:00Z", "2025-01-01T01:00:00+01:00", 0.0, "0 seconds"),
        ("2025-01-01T00:00:30", "2025-01-01T00:00:00Z", -30.0, "-30 seconds"),
        ("2025-01-01", "2025-01-01T00:00:01.5", 1.5, "1.5 seconds"),
        ("2024-02-28", "2024-03-01", 172_800.0, "2 days"),
    ],
)
def test_the_time_between_is_told_in_seconds_and_words(start: str, end: str, seconds: float, text: str) -> None:
    assert time_delta(start, end) == {"seconds": seconds, "text": text}


@given(delta=st.timedeltas(min_value=timedelta(days=-10_000), max_value=timedelta(days=10_000)))
def test_the_seconds_add_up(delta: timedelta) -> None:
    start = datetime(2000, 1, 1, tzinfo=UTC)
    told = time_delta(start.isoformat(), (start + delta).isoformat())
    assert told["seconds"] == delta.total_seconds()
    assert told["text"].startswith("-") == (delta < timedelta(0))


@pytest.mark.parametrize("name", ["start", "end"])
async def test_what_is_no_time_is_refused_by_name(builtins: ToolRegistry, context: ToolContext, name: str) -> None:
    given_ = {"start": "2025-01-01", "end": "2025-01-01", name: "yesterday"}
    with pytest.raises(InvalidPayload, match="ISO 8601") as raised:
        await builtins.call("time_delta", given_, context)
    assert raised.value.field == f"payload.tool_input.{name}"


async def test_the_machine_is_described_without_its_secrets(
    builtins: ToolRegistry, context: ToolContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VERA_SOME_KEY", "the-secret-value")
    told = await builtins.call("system_info", {}, context)
    assert told["cpus"] == os.cpu_count()
    assert 0 < told["memory_available_mb"] <= told["memory_mb"]
    assert len(told["load"]) == 3
    assert "the-secret-value" not in str(told)
