"""Who is told of an end, and how: pure. Messages and signatures are those of https://www.standardwebhooks.com."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast
from urllib.parse import urlsplit

from vera_orchestrator.errors import InvalidValue
from vera_orchestrator.secrets import REFERENCE, SEALED

DELAYS = (5.0, 60.0, 300.0, 1_800.0, 7_200.0, 18_000.0, 36_000.0)
"""Seconds before each further attempt; after the last one a message is given up."""
LONGEST = 86_400.0
"""Seconds after which nothing is sent again, whatever a receiver asks for."""
GONE = 410
LONGEST_URL = 2_000
SHORTEST_SECRET = 16
PREFIX = "whsec_"


@dataclass(frozen=True, kw_only=True)
class Webhook:
    """Where to send a message when something has ended.

    `secret` signs it: bytes in base64, whsec_ before them or not; or {"$secret": name}. None is that of the settings.
    """

    url: str
    secret: Any = field(default=None, repr=False)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form; its secret stands under a name that is sealed."""
        return {"url": self.url} if self.secret is None else {"url": self.url, "secret": self.secret}


def webhook_of(value: object, name: str = "webhook") -> Webhook | None:
    """Return the webhook that a value describes; raises InvalidValue, naming the field."""
    if value is None or isinstance(value, Webhook):
        return value
    given: Mapping[str, Any] = cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}
    url = given.get("url")
    if not isinstance(url, str) or not is_address(url):
        raise InvalidValue("Not an address.", field=f"{name}.url", remedy="Give https://host/path.")
    if set(given) - {"url", "secret"}:
        raise InvalidValue("It has other fields.", field=name, remedy="Give url, and secret if there is one.")
    secret = given.get("secret")
    if secret is not None and not is_reference(secret):
        key_of(secret, f"{name}.secret")
    return Webhook(url=url, secret=secret)


def is_address(url: str) -> bool:
    """Return whether messages could be sent there."""
    try:
        parts = urlsplit(url)
        return (
            parts.scheme in ("http", "https")
            and bool(parts.hostname)
            and "@" not in parts.netloc
            and parts.port != 0
            and len(url) <= LONGEST_URL
            and url.isprintable()
            and " " not in url
        )
    except ValueError:
        return False


def is_reference(secret: object) -> bool:
    """Return whether a secret is sealed, or named and kept elsewhere."""
    return isinstance(secret, dict) and set(cast("dict[str, Any]", secret)) in ({REFERENCE}, {SEALED})


def key_of(secret: object, name: str = "webhook.secret") -> bytes:
    """Return the bytes of a secret; raises InvalidValue, naming the field."""
    text = secret.removeprefix(PREFIX) if isinstance(secret, str) else ""
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) < SHORTEST_SECRET:
        raise InvalidValue(
            f"Not {SHORTEST_SECRET} bytes or more in base64.",
            field=name,
            remedy="Make one: openssl rand -base64 32, with whsec_ before it or not.",
        )
    return key


def headers_of(message_id: str, body: str, at: datetime, secret: str | None) -> dict[str, str]:
    """Return the headers of a message; without a secret it has no signature. `at` is in UTC."""
    headers = {"webhook-id": message_id, "webhook-timestamp": str(int(at.timestamp()))}
    if secret is not None:
        from standardwebhooks import Webhook as Signer

        headers["webhook-signature"] = Signer(key_of(secret)).sign(message_id, at, body)
    return headers


def next_attempt(*, attempts: int, created_at: float, now: float, retry_after: float | None = None) -> float | None:
    """Return when to send again after so many failed attempts; None: never. `retry_after` is what was asked for."""
    if not 1 <= attempts <= len(DELAYS):
        return None
    due_at = now + max(DELAYS[attempts - 1], retry_after or 0.0)
    return due_at if due_at <= created_at + LONGEST else None
