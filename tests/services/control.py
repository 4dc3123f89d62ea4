"""Starting and stopping all services."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from tests.services.docker_service import DockerService
from tests.services.errors import ServiceFailed
from tests.services.image import IMAGE, make_image
from tests.services.packages import install, packages_missing
from tests.services.postgres_service import PostgresService
from tests.services.redis_service import RedisService
from tests.services.service import Service
from tests.services.state import Record, State

ALWAYS = ("bwrap", "chromium", "curl")
"""What tests need beside the services."""

Say = Callable[[str, str], None]
"""Takes the name of a part and a line about it."""


def services() -> list[Service]:
    """Return one of each kind."""
    return [PostgresService(), RedisService(), DockerService()]


def place(url: str) -> str:
    """Return an address without user and password, for people."""
    parts = urlsplit(url)
    return url if parts.hostname is None else f"{parts.hostname}:{parts.port}"


class Control:
    """Starts what does not run, and stops what it started, both without harm when done twice.

    A service that fails is reported and does not keep the others from starting: methods return whether all went well.
    """

    def __init__(self, state: State, say: Say, kinds: Sequence[Service] | None = None) -> None:
        self._state = state
        self._say = say
        self._kinds = services() if kinds is None else kinds

    def start(self) -> bool:
        """Install what is missing, start what does not run, and make the image."""
        with self._state.locked():
            good = [self._guarded("packages", self._install)]
            good += [self._guarded(kind.title, self._start, kind) for kind in self._kinds]
            good += [self._guarded(IMAGE, self._image, kind) for kind in self._kinds if isinstance(kind, DockerService)]
        return all(good)

    def stop(self) -> bool:
        """Stop what `start` started, the last one first."""
        with self._state.locked():
            good = [self._guarded(kind.title, self._stop, kind) for kind in reversed(self._kinds)]
        return all(good)

    def remove(self) -> bool:
        """Stop what `start` started, and remove the state folder with all data and logs."""
        good = self.stop()
        if good:
            for kind in self._kinds:
                kind.remove(self._folder(kind))
            shutil.rmtree(self._state.folder, ignore_errors=True)
        return good

    def status(self) -> bool:
        """Say what runs; return whether all do."""
        good = [self._guarded(kind.title, self._status, kind) for kind in self._kinds]
        return all(good)

    def _install(self) -> None:
        packages = packages_missing([*ALWAYS, *(name for kind in self._kinds for name in self._wanted(kind))])
        if packages:
            self._say("packages", f"installing {' '.join(packages)}")
            began = time.monotonic()
            install(packages, self._state.folder / "apt.log")
            self._say("packages", f"installed in {time.monotonic() - began:.1f} s")

    def _wanted(self, kind: Service) -> tuple[str, ...]:
        """Return the programs to install for a service: none where another one is to be used, even if it is away."""
        try:
            return () if self._url(kind) else kind.programs
        except ServiceFailed:
            return ()

    def _start(self, kind: Service) -> None:
        if self._running(kind):
            return
        if packages_missing(kind.programs):
            raise ServiceFailed("cannot be started, as it is not installed")
        records, began = self._state.records(), time.monotonic()

        def note(record: Record) -> None:
            self._state.write({**records, kind.name: record})

        record = kind.start(self._folder(kind), records.get(kind.name), note)
        where = f"at {place(record.url)} (process {record.pid})"
        self._say(kind.title, f"started in {time.monotonic() - began:.1f} s {where}")

    def _stop(self, kind: Service) -> None:
        records = self._state.records()
        record = records.pop(kind.name, None) or kind.found(self._folder(kind))
        if record is None:
            self._say(kind.title, "was not started from here")
            return
        alive = record.process.lives
        kind.stop(self._folder(kind), record)
        self._state.write(records)
        self._say(kind.title, f"{'stopped' if alive else 'had ended already'} (process {record.pid})")

    def _status(self, kind: Service) -> None:
        if not self._running(kind):
            raise ServiceFailed("does not run: make services")

    def _running(self, kind: Service) -> bool:
        """Say where it runs already, if it does."""
        record = self._state.records().get(kind.name)
        if record is not None and record.process.lives and kind.answers(record):
            self._say(kind.title, f"runs at {place(record.url)} (process {record.pid})")
            return True
        given = kind.given()
        if given is not None:
            self._say(kind.title, f"is yours at {place(given)}")
        return given is not None

    def _image(self, kind: Service) -> None:
        url = self._url(kind)
        if url is None:
            raise ServiceFailed("cannot be made without Docker Engine")
        began = time.monotonic()
        made = make_image(url)
        self._say(IMAGE, f"built in {time.monotonic() - began:.1f} s" if made else "is there")

    def _url(self, kind: Service) -> str | None:
        record = self._state.records().get(kind.name)
        if record is not None and record.process.lives:
            return record.url
        return kind.given()

    def _folder(self, kind: Service) -> Path:
        return self._state.folder / kind.name

    def _guarded(self, title: str, step: Callable[..., None], *arguments: Service) -> bool:
        try:
            step(*arguments)
        except (ServiceFailed, OSError) as error:
            self._say(title, f"FAILED: {error}")
            return False
        return True
