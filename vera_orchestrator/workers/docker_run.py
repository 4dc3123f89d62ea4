"""One container per command: made, followed to its end and removed. All calls block; they belong in threads."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import Event, Thread
from typing import Any
from uuid import uuid4

from docker.errors import APIError, ImageNotFound
from docker.types import LogConfig
from requests import Response

from vera_orchestrator.errors import InvalidPayload, TaskCancelled, TaskFailed, WorkerUnavailable
from vera_orchestrator.payloads import DockerPayload
from vera_orchestrator.sandbox.capture import HeadTail
from vera_orchestrator.sandbox.values import FLOOD_FACTOR
from vera_orchestrator.workers.docker_attach import STDERR, attach, frames
from vera_orchestrator.workers.docker_engine import (
    OWNER_LABEL,
    UNREACHABLE,
    WORKER_LABEL,
    Containers,
    missing_image,
    own_mark,
    refusal,
    unreachable,
)

USER = "65534:65534"
SCRATCH = "size=64m,mode=1777"
logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ContainerSpec:
    """A command and what it may use.

    `memory_mb` is MiB without swap, `cpus` is processors' worth of time, `processes` counts processes and threads,
    `output_bytes` is what is kept of stdout and as much of stderr.
    """

    image: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    memory_mb: int = 512
    cpus: float = 1.0
    processes: int = 64
    output_bytes: int = 1_000_000
    worker_id: str = "docker"


@dataclass(frozen=True, kw_only=True)
class ContainerOutcome:
    """How a container ended; `dropped` counts bytes of output that were not kept.

    `flooded` is set where it was killed because it wrote far more than is kept.
    """

    exit_code: int
    stdout: str
    stderr: str
    dropped: int
    oom_killed: bool
    flooded: bool


class ContainerRun:
    """One command in one container. `run` follows it to its end; `kill`, from another thread, makes that come soon."""

    def __init__(self, containers: Containers, spec: ContainerSpec) -> None:
        self.name = f"vera-{uuid4().hex}"
        self._containers = containers
        self._spec = spec
        self._killed = Event()

    def run(self) -> ContainerOutcome:
        """Make, start, follow and remove the container.

        Raises NotConfigured for a missing image, InvalidPayload for what Docker refuses, WorkerUnavailable if Docker
        was gone before the start, TaskFailed if it broke off later and TaskCancelled after an early `kill`.
        """
        if self._killed.is_set():
            raise TaskCancelled("It was cancelled before its container was made.")
        with self._containers.connected() as client:
            try:
                self._create(client)
                return self._follow(client)
            finally:
                self._containers.remove(client, self.name)

    def kill(self) -> None:
        """End the container, however far it has come."""
        self._killed.set()
        try:
            with self._containers.connected() as client:
                client.kill(self.name)
        except (WorkerUnavailable, *UNREACHABLE) as error:
            # not started yet (then _follow sees the flag), ended already, or Docker is gone
            logger.debug("container %s was not killed: %s", self.name, error)

    def kill_soon(self) -> None:
        """Kill it from a thread of its own: Docker answers only when all output was read, which others are at."""
        Thread(target=self.kill, name=f"kill-{self.name}").start()

    def _create(self, client: Any) -> None:
        spec = self._spec
        try:
            client.create_container(
                image=spec.image,
                command=list(spec.command),
                name=self.name,
                user=USER,
                environment={"HOME": "/tmp", **spec.environment},
                labels={OWNER_LABEL: own_mark(), WORKER_LABEL: spec.worker_id},
                host_config=_limits(client, spec),
            )
        except ImageNotFound:
            raise missing_image(spec.image) from None
        except APIError as error:
            raise refusal(error, "payload") from None
        except UNREACHABLE as error:
            raise unreachable(error) from error

    def _follow(self, client: Any) -> ContainerOutcome:
        try:
            response = attach(client, self.name)
        except UNREACHABLE as error:
            raise unreachable(error) from error
        stdout, stderr = HeadTail(self._spec.output_bytes), HeadTail(self._spec.output_bytes)
        try:
            client.start(self.name)
            if self._killed.is_set():  # a kill that came before the start has found nothing to kill
                self.kill_soon()
            flooded = self._read(response, stdout, stderr)
            exit_code = client.wait(self.name, timeout=None)["StatusCode"]
            state = client.inspect_container(self.name)["State"]
        except APIError as error:
            raise refusal(error, "payload.command") from None
        except UNREACHABLE as error:
            raise TaskFailed(f"The connection to Docker broke while the container ran: {error}.") from error
        finally:
            response.close()
        return ContainerOutcome(
            exit_code=exit_code,
            stdout=stdout.text(),
            stderr=stderr.text(),
            dropped=stdout.dropped + stderr.dropped,
            oom_killed=state["OOMKilled"],
            flooded=flooded,
        )

    def _read(self, response: Response, stdout: HeadTail, stderr: HeadTail) -> bool:
        """Read to the end; return whether it was so much that the container was killed."""
        flooded = False
        for source, data in frames(response):
            (stderr if source == STDERR else stdout).feed(data)
            if not flooded and stdout.seen + stderr.seen > FLOOD_FACTOR * self._spec.output_bytes:
                flooded = True
                self.kill_soon()
        return flooded


def _limits(client: Any, spec: ContainerSpec) -> dict[str, Any]:
    return client.create_host_config(
        network_mode="none",
        mem_limit=spec.memory_mb << 20,
        memswap_limit=spec.memory_mb << 20,  # memory and swap together: no swap
        nano_cpus=round(spec.cpus * 1e9),
        pids_limit=spec.processes,
        read_only=True,
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        tmpfs={"/tmp": SCRATCH},
        init=True,
        # output is read as it comes; a copy in the daemon's log would grow on disk without bound
        log_config=LogConfig(type="none"),
    )


def checked(payload: DockerPayload) -> tuple[str, ...]:
    """Return the command of a payload as its words: text is split with a shell's quoting, but no shell sees it.

    Raises InvalidPayload for an empty command, quotes that are not closed, and NUL characters.
    """
    command = payload.command
    try:
        words = shlex.split(command) if isinstance(command, str) else command
    except ValueError as error:
        raise InvalidPayload(f"{error}.", field="payload.command", remedy="Give a list of words.") from None
    if not words or not words[0]:
        raise InvalidPayload("The command is empty.", field="payload.command", remedy="Give a program's name.")
    for name, texts in (("command", words), ("environment", [*payload.environment, *payload.environment.values()])):
        if any("\0" in text for text in texts):
            raise InvalidPayload("A NUL character cannot be passed to a program.", field=f"payload.{name}")
    return tuple(words)
