"""What an answer's status means for the task: pure."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

TRANSIENT_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})
EXCERPT = 200


def retry_after(headers: httpx.Headers, now: datetime) -> float | None:
    """Return the seconds that Retry-After asks to wait (RFC 9110, section 10.2.3), None if it says nothing."""
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdecimal() and len(value) < 10:
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (aware - now).total_seconds())


def status_error(response: httpx.Response, text: str) -> str:
    """Return one line on an unsuccessful answer: its status and the beginning of its body."""
    status = f"HTTP {response.status_code} {response.reason_phrase}".rstrip()
    excerpt = " ".join(text[: 2 * EXCERPT].split())[:EXCERPT]
    return f"{status}: {excerpt}" if excerpt else status


def shown_headers(headers: httpx.Headers) -> dict[str, str]:
    """Return an answer's headers, repeated ones joined, cookies hidden."""
    return {name: "***" if name == "set-cookie" else value for name, value in headers.items()}
