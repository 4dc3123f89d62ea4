"""Redis for all tests: one server with many numbered databases, of which each test takes one."""

from __future__ import annotations

import os
import secrets
import shutil
from pathlib import Path
from urllib.parse import urlsplit

from redis import Redis
from redis.exceptions import RedisError

from tests.services.ports import free_port, is_free
from tests.services.processes import Process
from tests.services.service import Note
from tests.services.state import Record
from tests.services.waiting import wait_until_it_answers

VARIABLE = "VERA_TEST_REDIS_URL"
DATABASES = 256


class RedisService:
    """A server that keeps nothing on disk."""

    name = "redis"
    title = "Redis"
    programs: tuple[str, ...] = ("redis-server",)

    def given(self) -> str | None:
        return os.environ.get(VARIABLE) or None

    def start(self, folder: Path, before: Record | None, note: Note) -> Record:
        if before is not None:
            before.process.kill()  # it does not answer
        port = urlsplit(before.url).port if before is not None else None
        if port is None or not is_free(port):
            port = free_port()
        folder.mkdir(parents=True, exist_ok=True)
        password = secrets.token_hex(16)
        config, log = folder / "redis.conf", folder / "log"
        log.unlink(missing_ok=True)
        config.touch(mode=0o600)
        config.write_text(  # a file, as arguments can be read by everybody
            f"bind 127.0.0.1\nport {port}\nrequirepass {password}\ndatabases {DATABASES}\n"
            f'save ""\nappendonly no\ndir "{folder}"\n'
        )
        process = Process.spawned(["redis-server", str(config)], log)
        record = Record.of(process, f"redis://:{password}@127.0.0.1:{port}/0")
        note(record)
        wait_until_it_answers(process, lambda: self.answers(record), log=log)
        return record

    def answers(self, record: Record) -> bool:
        try:
            with Redis.from_url(record.url, socket_timeout=5) as client:  # pyright: ignore[reportUnknownMemberType]
                return bool(client.ping())  # pyright: ignore
        except RedisError:
            return False

    def found(self, folder: Path) -> Record | None:
        del folder
        return None

    def stop(self, folder: Path, record: Record) -> None:
        del folder
        record.process.end(within=10)

    def remove(self, folder: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)
