"""Who is told of an end, and how."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from standardwebhooks import Webhook as Receiver

from vera_orchestrator.errors import InvalidValue
from vera_orchestrator.models import Task, utcnow
from vera_orchestrator.task_json import task_from_json
from vera_orchestrator.webhooks import DELAYS, LONGEST, Webhook, headers_of, next_attempt, webhook_of

SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef01234567").decode()


def test_a_webhook_is_given_as_an_object() -> None:
    task = task_from_json({"type": "custom", "webhook": {"url": "https://h/x", "secret": SECRET}})
    assert task.webhook == Webhook(url="https://h/x", secret=SECRET)
    assert SECRET not in repr(task)
    assert Task(webhook=None).webhook is None


@pytest.mark.parametrize(
    ("value", "field"),
    [
        ("https://h/", "webhook.url"),
        ({}, "webhook.url"),
        ({"url": "ftp://h/"}, "webhook.url"),
        ({"url": "https://user:word@h/"}, "webhook.url"),
        ({"url": "https://h:99999/"}, "webhook.url"),
        ({"url": "https://h/ x"}, "webhook.url"),
        ({"url": "https://h/" + "x" * 2_000}, "webhook.url"),
        ({"url": "https://h/", "secret": "no base64!"}, "webhook.secret"),
        ({"url": "https://h/", "secret": "c2hvcnQ="}, "webhook.secret"),
        ({"url": "https://h/", "secret": 7}, "webhook.secret"),
        ({"url": "https://h/", "method": "PUT"}, "webhook"),
    ],
)
def test_what_does_not_fit_is_named(value: Any, field: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        webhook_of(value)
    assert caught.value.field == field


@pytest.mark.parametrize("secret", [SECRET, SECRET.removeprefix("whsec_")])
def test_a_receiver_verifies_the_signature(secret: str) -> None:
    body = '{"type":"task.completed","data":"✓"}'
    headers = headers_of("msg_1", body, utcnow(), secret)
    assert Receiver(SECRET).verify(body, headers)["type"] == "task.completed"


def test_without_a_secret_nothing_is_signed() -> None:
    assert set(headers_of("msg_1", "{}", utcnow(), None)) == {"webhook-id", "webhook-timestamp"}


def test_attempts_grow_apart_and_end_within_a_day() -> None:
    at, times = 1_000.0, list[float]()
    while (due := next_attempt(attempts=len(times) + 1, created_at=1_000.0, now=at)) is not None:
        times.append(due - at)
        at = due + 15.0
    assert times == list(DELAYS)
    assert at - 1_000.0 < LONGEST


def test_what_a_receiver_asks_for_is_kept_within_a_day() -> None:
    assert next_attempt(attempts=1, created_at=0.0, now=10.0, retry_after=700.0) == 710.0
    assert next_attempt(attempts=1, created_at=0.0, now=10.0, retry_after=1.0) == 15.0
    assert next_attempt(attempts=1, created_at=0.0, now=10.0, retry_after=LONGEST) is None
