"""A PostgreSQL cluster of our own on loopback, which can be stopped, killed and started again at the same address."""

from __future__ import annotations

import os
import pwd
import secrets
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Literal

import psycopg
from psycopg import sql

from tests.services.errors import ServiceFailed, missing, tail
from tests.services.processes import Process

StopMode = Literal["smart", "fast", "immediate"]
SUPERUSER = "postgres"
ACCOUNT = "postgres"  # of the operating system: the server refuses to run as root
START_SECONDS = 180
# Without fsync a killed server loses nothing, as the system keeps the pages; only a crash of the machine would.
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "on",
    "wal_level": "minimal",
    "max_wal_senders": "0",
}


class PostgresCluster:
    """The cluster in a folder; any number of these objects, in any process, may speak of the same one.

    It is started with `settings`, by the names of postgresql.conf, beside those that all have. As root it runs as the
    user postgres. A folder that this user cannot reach becomes a link to one in /var/tmp. As the folder is that user's,
    root follows no link in it. All methods block, and raise ServiceFailed with the end of the log.
    """

    def __init__(self, folder: Path, port: int, *, settings: Mapping[str, str] | None = None) -> None:
        self._folder = folder
        self._port = port
        self._settings = {**SETTINGS, **(settings or {})}

    @property
    def exists(self) -> bool:
        """Whether it was made, completely."""
        return (self._folder / "password").is_file() and (self._data / "PG_VERSION").is_file()

    @property
    def process(self) -> Process | None:
        """Its first process, whose end is the end of all others; None if it does not run."""
        process = self._noted
        return process if process is not None and self._is_served_by(process.command or []) else None

    @property
    def pid(self) -> int | None:
        """The id of that process."""
        return self.process.pid if self.process is not None else None

    @property
    def log(self) -> Path:
        """What the server says."""
        return self._folder / "log"

    def url(self, database: str = SUPERUSER, *, driver: str | None = None) -> str:
        """Return the address of a database, for libpq, or for SQLAlchemy with a driver (psycopg, asyncpg)."""
        scheme = "postgresql" if driver is None else f"postgresql+{driver}"
        password = (self._folder / "password").read_text().strip()
        return f"{scheme}://{SUPERUSER}:{password}@127.0.0.1:{self._port}/{database}"

    def create(self) -> None:
        """Make an empty cluster, in about 1 s; what was in the folder is gone."""
        self.remove()
        self._folder.mkdir(parents=True, mode=0o700)
        if self._account is not None:
            self._hand_over(self._account)
        password = self._folder / "password"
        self._write_new(password, secrets.token_hex(16))
        options = ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync", "--no-instructions"]
        self._run("initdb", "-U", SUPERUSER, "--pwfile", str(self._folder.resolve() / password.name), *options)

    def start(self) -> None:
        """Start it if it does not run, in 0.2 s, and come back when it answers; a killed one recovers first."""
        if self.process is not None:
            return
        self._check_that_it_can_be_told()
        (self._data / "postmaster.pid").unlink(missing_ok=True)  # of a killed one, whose id may live on as a zombie
        given = [word for name, value in self._settings.items() for word in ("-c", f"{name}={value}")]
        options = ["-w", "-t", str(START_SECONDS), "-l", str(self._folder.resolve() / self.log.name)]
        self._run("pg_ctl", "start", *options, "-o", shlex.join(["-p", str(self._port), *given]))

    def stop(self, mode: StopMode = "fast") -> None:
        """Stop it; *fast* ends connections and saves, *immediate* saves nothing, *smart* waits for clients."""
        if self.process is not None:
            self._run("pg_ctl", "stop", "-w", "-t", str(START_SECONDS), "-m", mode)

    def kill(self) -> None:
        """Kill it with all its processes, if it runs, and come back when they are gone."""
        process = self.process
        if process is None:
            return
        family = [process, *process.children()]
        for member in family:
            member.send(signal.SIGKILL)
        for member in family:
            if not member.ended(within=90):
                raise ServiceFailed(f"process {member.pid} of PostgreSQL does not end")

    def remove(self) -> None:
        """Stop it and remove its folder."""
        self.stop("immediate")
        self._check_that_it_can_be_told()
        place = self._folder.resolve()
        if place.exists():
            shutil.rmtree(place)
        self._folder.unlink(missing_ok=True)

    def create_database(self, name: str) -> None:
        """Make an empty database, in some 50 ms."""
        with psycopg.connect(self.url(), autocommit=True) as connection:
            create_database(connection, name)

    @property
    def _data(self) -> Path:
        return self._folder.resolve() / "data"

    @property
    def _noted(self) -> Process | None:
        """The process that the data's own note names, which may be another one that got the id."""
        try:
            return Process.of(int((self._data / "postmaster.pid").read_text().split("\n", 1)[0]))
        except (OSError, ValueError):
            return None

    def _is_served_by(self, command: Sequence[str]) -> bool:
        """Whether a command is that of its server. Its working directory would say so too, but not to every root."""
        return any(pair == ("-D", str(self._data)) for pair in pairwise(command))

    def _check_that_it_can_be_told(self) -> None:
        """Raise ServiceFailed where a process that cannot be looked at may be its server."""
        process = self._noted
        if process is not None and process.command is None and process.lives:
            raise ServiceFailed(f"process {process.pid} may be the server of {self._data}, and cannot be looked at")

    @cached_property
    def _account(self) -> str | None:
        return ACCOUNT if os.geteuid() == 0 else None

    def _hand_over(self, account: str) -> None:
        """Give the folder to the account; where it cannot reach it, put a link to another one in its place."""
        self._owned(self._folder)
        reach = ["test", "-x", str(self._folder.resolve())]
        if subprocess.run(reach, cwd="/", user=account, group=account, extra_groups=[], check=False).returncode != 0:
            self._folder.rmdir()
            self._folder.symlink_to(tempfile.mkdtemp(prefix="vera-postgres-", dir="/var/tmp"))
            self._owned(self._folder)

    def _owned(self, path: Path) -> None:
        if self._account is not None:
            shutil.chown(path, self._account, self._account)

    def _write_new(self, path: Path, text: str) -> None:
        """Write a file that only its owner may read, where there is none."""
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "w") as file:
            if self._account is not None:
                owner = pwd.getpwnam(self._account)
                os.fchown(handle, owner.pw_uid, owner.pw_gid)
            file.write(text)

    def _run(self, program: str, *arguments: str) -> None:
        account = self._account
        with tempfile.TemporaryFile() as output:  # not a pipe, which the server would inherit and hold open
            ended = subprocess.run(
                [str(binaries() / program), "-D", str(self._data), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd="/",
                env={"PATH": os.defpath, "LC_ALL": "C.UTF-8"},
                start_new_session=True,  # an interrupt of the terminal is not for the server
                user=account,
                group=account,
                extra_groups=None if account is None else [],
            )
            output.seek(0)
            said = output.read().decode(errors="replace").strip()
        if ended.returncode != 0:
            raise ServiceFailed(f"{program} failed ({ended.returncode}): {said}\n{tail(self.log)}".strip())


def binaries() -> Path:
    """Return the folder of the newest server programs; raises ServiceFailed if there are none."""
    installed = list(Path("/usr/lib/postgresql").glob("*/bin/initdb"))  # where Debian has them, not on PATH
    if installed:
        return max(installed, key=lambda path: int(path.parent.parent.name)).parent
    on_path = shutil.which("initdb")
    if on_path is None:
        raise missing("PostgreSQL", "postgresql")
    return Path(on_path).resolve().parent


def create_database(connection: psycopg.Connection, name: str) -> None:
    """Make an empty database."""
    connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))


def drop_database(connection: psycopg.Connection, name: str) -> None:
    """Remove a database if it is there, and end the connections to it."""
    connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
