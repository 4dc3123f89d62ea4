"""From a payload to a request."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from vera_orchestrator.errors import InvalidPayload
from vera_orchestrator.http.request import build_request, may_repeat, read_payload, shown


def built(**payload: Any) -> httpx.Request:
    return build_request(httpx.AsyncClient(), read_payload({"url": "https://a.test/p?x=1", **payload}))


def test_params_join_those_of_the_url() -> None:
    assert str(built(params={"y": [2, 3], "z": True}).url) == "https://a.test/p?x=1&y=2&y=3&z=true"


def test_json_and_text_bodies() -> None:
    request = built(method="post", json={"a": [1, None]})
    assert (request.method, request.headers["content-type"]) == ("POST", "application/json")
    assert request.content == b'{"a":[1,null]}'
    assert built(method="PUT", body="grün").content == "grün".encode()


def test_headers_are_sent_as_given() -> None:
    request = built(headers={"X-Number": 5, "X-Text": " grün\t"})
    assert ("x-number", "5") in request.headers.items()
    assert dict(request.headers.raw)[b"X-Text"] == "grün".encode()


@pytest.mark.parametrize(
    ("field", "payload"),
    [
        ("payload.url", {"url": 5}),
        ("payload.url", {"url": ""}),
        ("payload.url", {"url": "/relative"}),
        ("payload.url", {"url": "http://"}),
        ("payload.url", {"url": "file:///etc/passwd"}),
        ("payload.url", {"url": "ftp://a.test/"}),
        ("payload.url", {"url": "http+unix://%2Fvar%2Frun%2Fdocker.sock/info"}),
        ("payload.url", {"url": "http://a.test/\r\nX: y"}),
        ("payload.url", {"url": "http://a.test:99999/"}),
        ("payload.url", {"url": "http://a.test:x/"}),
        ("payload.url", {"url": "http://\ud800/"}),
        ("payload.method", {"method": "GET /x HTTP/1.1\r\nHost: b\r\n\r\nGET"}),
        ("payload.method", {"method": ""}),
        ("payload.method", {"method": "connect"}),
        ("payload.headers", {"headers": {"X:Y": "z"}}),
        ("payload.headers", {"headers": {"": "z"}}),
        ("payload.headers.X", {"headers": {"X": "a\r\nY: b"}}),
        ("payload.headers.X", {"headers": {"X": "a\x00"}}),
        ("payload.headers.X", {"headers": {"X": ["a"]}}),
        ("payload.headers.X", {"headers": {"X": None}}),
        ("payload.headers.X", {"headers": {"X": "\ud800"}}),
        ("payload.headers.Transfer-Encoding", {"headers": {"Transfer-Encoding": "chunked"}}),
        ("payload.headers.content-length", {"headers": {"content-length": "5"}}),
        ("payload.params.q", {"params": {"q": {"a": 1}}}),
        ("payload.params", {"params": {"q": "x" * 70_000}}),
        ("payload.timeout", {"timeout": 0}),
        ("payload.json", {"json": {"a": float("nan")}}),
        ("payload.json", {"json": object()}),
        ("payload.body", {"body": "\ud800"}),
        ("payload", {"json": {}, "body": "x"}),
    ],
)
def test_what_makes_no_request_is_refused_by_name(field: str, payload: dict[str, Any]) -> None:
    with pytest.raises(InvalidPayload) as caught:
        built(**payload)
    assert caught.value.field == field


def test_a_refused_header_does_not_show_its_value() -> None:
    with pytest.raises(InvalidPayload) as caught:
        built(headers={"Authorization": "Bearer hunter2\n"})
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("method", "payload", "expected"),
    [
        ("GET", {}, True),
        ("PUT", {}, True),
        ("DELETE", {}, True),
        ("POST", {}, False),
        ("PATCH", {}, False),
        ("POST", {"retry": True}, True),
        ("POST", {"retry": "yes"}, False),
    ],
)
def test_only_an_idempotent_request_may_be_repeated_unasked(
    method: str, payload: dict[str, Any], expected: bool
) -> None:
    assert may_repeat(method, read_payload({"url": "http://a.test", **payload})) is expected


def test_a_shown_url_holds_no_secret() -> None:
    url = shown(httpx.URL("https://me:hunter2@a.test/p?api_key=hunter3&q=1"))
    assert "hunter" not in url
    assert url.startswith("https://a.test/p?api_key=") and url.endswith("&q=1")
