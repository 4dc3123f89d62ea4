"""The Celery application: one task that does nothing."""

from __future__ import annotations

import os

from celery import Celery

_url = os.environ["BENCH_REDIS_URL"]
app = Celery("benchmarks.peers.celery_app", broker=_url, backend=_url)
# The settings that were fastest of those tried; see README.md
app.conf.update(
    broker_connection_retry_on_startup=True,
    result_expires=86_400,
    task_send_sent_event=False,
    worker_disable_rate_limits=True,
    worker_prefetch_multiplier=64,
    worker_send_task_events=False,
)


@app.task
def noop() -> None:
    """Do nothing."""
