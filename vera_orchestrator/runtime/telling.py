"""The message that is written with an end, for whoever asked to be told of it."""

from __future__ import annotations

from collections.abc import Callable

import orjson

from vera_orchestrator.enums import TaskStatus
from vera_orchestrator.journal.outbox import Delivery
from vera_orchestrator.models import new_id
from vera_orchestrator.secrets import Sealer
from vera_orchestrator.webhooks import Webhook

TASK, BATCH = "task", "batch"


class Telling:
    """Makes messages; `written` is called once one is committed, so that it is sent at once."""

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer
        self.written: Callable[[], None] = _ignore

    def message(
        self, subject: str, webhook: Webhook | None, *, key: int, status: TaskStatus, at: float
    ) -> Delivery | None:
        """Return the message that a task or batch has ended so; None where nobody asked for one."""
        if webhook is None:
            return None
        secret = self._sealer.seal(webhook.to_json()).get("secret")
        return Delivery(
            id=f"msg_{new_id()}",
            kind=f"{subject}.{status}",
            subject=key,
            url=webhook.url,
            secret=None if secret is None else orjson.dumps(secret).decode(),
            created_at=at,
            due_at=at,
        )


def _ignore() -> None:
    """Do nothing."""
