from __future__ import annotations

from typing import Any

import pytest

from vera_orchestrator.models import Task
from vera_orchestrator.summary import LONGEST, summary_of

PAYLOADS: list[tuple[dict[str, Any], str | None]] = [
    ({"prompt": "\n Tell a story \nabout rain"}, "Tell a story"),
    ({"messages": [{"role": "system", "content": "Be short."}, {"role": "user", "content": "Hello"}]}, "Hello"),
    ({"tool_name": "get_time", "tool_input": {}}, "get_time"),
    ({"url": "https://user:word@example.com/path?token=abc#x"}, "example.com/path"),
    ({"command": ["python", "-c", "print(1)"]}, "python -c print(1)"),
    ({"focus": "rain", "latest_conversation": "long"}, "rain"),
    ({"prompt": {"$secret": "name"}, "focus": "rain"}, "rain"),
    ({"messages": [{"role": "user", "content": [{"type": "image"}]}]}, None),
    ({"messages": ["text"]}, None),
    ({"url": "http://[", "prompt": ""}, None),
    ({"command": [1, {}]}, None),
    ({"data": 1}, None),
    ({}, None),
]


@pytest.mark.parametrize(("payload", "summary"), PAYLOADS)
def test_a_summary_is_the_first_line_of_what_tells_most(payload: dict[str, Any], summary: str | None) -> None:
    assert summary_of(payload) == summary
    assert Task(payload=payload).to_dict()["summary"] == summary


def test_a_long_line_is_cut() -> None:
    summary = summary_of({"prompt": "word " * 1_000_000})
    assert summary is not None
    assert len(summary) == LONGEST
