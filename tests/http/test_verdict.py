"""What an answer's status and headers mean."""

from datetime import UTC, datetime

import httpx
import pytest

from vera_orchestrator.http.verdict import retry_after, shown_headers, status_error

NOW = datetime(2026, 11, 1, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("120", 120.0),
        ("Sun, 01 Nov 2026 12:01:30 GMT", 90.0),
        ("Sun, 01 Nov 2026 11:00:00 GMT", 0.0),
        ("soon", None),
        ("-5", None),
        ("9" * 400, None),
        ("", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str, seconds: float | None) -> None:
    assert retry_after(httpx.Headers({"Retry-After": value}), NOW) == seconds


def test_retry_after_may_be_missing() -> None:
    assert retry_after(httpx.Headers(), NOW) is None


def test_an_error_shows_the_status_and_the_first_200_characters() -> None:
    assert status_error(httpx.Response(404), "no\n such   page") == "HTTP 404 Not Found: no such page"
    assert status_error(httpx.Response(500), "x" * 999) == "HTTP 500 Internal Server Error: " + "x" * 200
    assert status_error(httpx.Response(599), "") == "HTTP 599"


def test_cookies_are_hidden_and_repeated_headers_joined() -> None:
    headers = httpx.Headers([("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("Vary", "x"), ("Vary", "y")])
    assert shown_headers(headers) == {"set-cookie": "***", "vary": "x, y"}
