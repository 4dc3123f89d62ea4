"""Bad input gets a problem that names the field and the remedy, and never a 500."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.errors import problem_of
from tests.api.support import JSON_HEADERS, echoing, problem, served
from vera_orchestrator.errors import QueueFull

ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
FIELDS = [
    "type",
    "payload",
    "priority",
    "max_retries",
    "metadata",
    "id",
    "tags",
    "depends_on",
    "idempotency_key",
    "timeout_seconds",
    "requirements",
]


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"type": "no_such_type"}, 400, "type"),
        ({"type": "\ud800"}, 422, "type"),
        ({"type": "custom", "priority": "urgent"}, 400, "priority"),
        ({"type": "custom", "priority": 9}, 400, "priority"),
        ({"type": "custom", "max_retries": -1}, 422, "max_retries"),
        ({"type": "custom", "payload": [1]}, 422, "payload"),
        ({"type": "tool_call", "payload": {}}, 422, "payload.tool_name"),
        ({"type": "custom", "payload": {"text": "\ud800"}}, 422, "payload"),
        ({"type": "custom", "requirements": {"wings": 2}}, 422, "requirements.wings"),
        ({"type": "custom", "priority": True}, 422, "priority"),
        ({"type": "custom", "depends_on": ["no-such-task"]}, 422, "depends_on"),
        ({"type": "custom", "timeout_seconds": 0}, 422, "timeout_seconds"),
        ({"payload": {}}, 422, "type"),
        ([], 422, "body"),
        (None, 422, "body"),
    ],
)
async def test_a_task_that_does_not_fit_is_refused_with_the_field_and_the_remedy(
    client: httpx.AsyncClient, body: object, status: int, field: str
) -> None:
    for path in ("/tasks/submit", "/tasks/execute"):
        answer = problem(await client.post(path, content=json.dumps(body), headers=JSON_HEADERS), status)
        assert answer["field"] == field
        assert answer["remedy"]
    assert (await client.get("/tasks/history")).json()["count"] == 0


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b'{"type": "\xff"}',
        b"[" * 100_000,
        b'{"type": "custom", "max_retries": ' + b"9" * 5_000 + b"}",
    ],
)
async def test_a_body_that_is_no_json_object_is_refused(client: httpx.AsyncClient, content: bytes) -> None:
    answer = problem(await client.post("/tasks/submit", content=content, headers=JSON_HEADERS), 422)
    assert answer["field"] == "body"
    assert "application/json" in answer["remedy"]


async def test_a_body_that_does_not_say_that_it_is_json_is_told_so(client: httpx.AsyncClient) -> None:
    answer = problem(await client.post("/tasks/submit", content=b'{"type": "custom"}'), 422)
    assert "Content-Type: application/json" in answer["remedy"]


@pytest.mark.parametrize("limit", ["0", "-1", "many", "9" * 30])
async def test_a_limit_that_is_no_sensible_number_is_refused(client: httpx.AsyncClient, limit: str) -> None:
    assert problem(await client.get("/tasks/history", params={"limit": limit}), 422)["field"] == "limit"


@given(bodies=st.lists(st.dictionaries(st.sampled_from(FIELDS), ANY_JSON), min_size=20, max_size=20))
@settings(deadline=None, max_examples=5)
async def test_no_body_whatever_is_answered_with_a_server_error(
    tmp_path_factory: pytest.TempPathFactory, bodies: list[dict[str, Any]]
) -> None:
    home: Path = tmp_path_factory.mktemp("home")
    async with served(echoing(home)) as client:
        for body in (*bodies, *({**body, "type": "custom"} for body in bodies)):
            response = await client.post("/tasks/submit", content=json.dumps(body), headers=JSON_HEADERS)
            assert response.status_code in (200, 400, 409, 422), response.text
        assert (await client.get("/tasks/history")).status_code == 200


async def test_a_value_that_was_sent_is_not_repeated(client: httpx.AsyncClient) -> None:
    response = await client.post(
        "/workers/llm-api/register", json={"api_type": "openai", "api_key": {"secret": "sk-1234"}}
    )
    problem(response, 422)
    assert "sk-1234" not in response.text


def test_an_error_that_knows_when_to_come_back_says_so_in_whole_seconds() -> None:
    answer = problem_of(QueueFull("too many.", retry_after=1.2))
    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "2"
