"""A web site for the tasks of the flow runs, whose behaviour a test can change."""

from __future__ import annotations

import threading
from typing import Any

from tests.flows.station import RUN_SECONDS, Station
from tests.http.server import Handler, Seen


class Site:
    """A web site that counts its visits.

    /part answers 1, /sum adds up; /broken fails until it is mended, /fragile fails once, /slow waits until it is told
    to answer.
    """

    def __init__(self, station: Station) -> None:
        self.mended = threading.Event()
        self.asked_again = threading.Event()
        self.answering = threading.Event()
        self.asked_slow = threading.Semaphore(0)
        self.station = station
        station.web.routes.update({"/part": self.part, "/sum": self.sum, "/broken": self.broken})
        station.web.routes.update({"/fragile": self.fragile, "/slow": self.slow})

    def url(self, path: str) -> str:
        return f"{self.station.web.url}{path}"

    def count(self, path: str) -> int:
        return sum(seen.path.partition("?")[0] == path for seen in self.station.web.seen)

    def part(self, handler: Handler, seen: Seen) -> None:
        handler.answer_json({"value": 1})

    def sum(self, handler: Handler, seen: Seen) -> None:
        handler.answer_json(sum(seen.json()))

    def broken(self, handler: Handler, seen: Seen) -> None:
        handler.answer_json({}, status=200 if self.mended.is_set() else 500)

    def fragile(self, handler: Handler, seen: Seen) -> None:
        if self.count("/fragile") > 1:
            self.asked_again.set()
            handler.answer_json("mended")
        else:
            handler.answer_json({}, status=500)

    def slow(self, handler: Handler, seen: Seen) -> None:
        self.asked_slow.release()
        self.answering.wait(RUN_SECONDS)
        handler.answer_json("done")


def get(url: str, **more: Any) -> dict[str, Any]:
    return {"type": "api_request", "payload": {"url": url, **more}, "max_retries": 0}
