"""The Docker Engine of a worker, and which containers nobody looks after. All calls block; they belong in threads."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from docker import APIClient
from docker.errors import APIError, DockerException
from docker.utils import kwargs_from_env, parse_host
from requests.exceptions import RequestException
from urllib3.exceptions import HTTPError

from vera_orchestrator.errors import InvalidPayload, NotConfigured, TaskFailed, VeraError, WorkerUnavailable

OWNER_LABEL = "vera.owner"
WORKER_LABEL = "vera.worker"
UNIX = "http+unix://"
OWN_IMAGE = "vera-worker:latest"
# what the SDK lets out when the daemon is away, goes away or is too slow
UNREACHABLE = (DockerException, RequestException, HTTPError, OSError)
# 404: there is none; 409: somebody else is removing it
GONE = (404, 409)
logger = logging.getLogger(__name__)


class Containers:
    """The containers at the Docker Engine that the environment names (DOCKER_HOST and its companions).

    May be used from several threads, as each use makes connections of its own, in 7 ms.
    """

    def __init__(self) -> None:
        self._left: set[str] = set()

    @contextmanager
    def connected(self) -> Generator[Any]:
        """Give a client for the block; raises WorkerUnavailable if Docker does not answer."""
        try:
            _knock()
            client = APIClient(version="auto", **kwargs_from_env())  # which asks for the version
        except UNREACHABLE as error:
            raise unreachable(error) from error
        try:
            yield client
        finally:
            client.close()

    def check(self) -> None:
        """Raise WorkerUnavailable unless Docker answers."""
        with self.connected():
            pass

    def remove(self, client: Any, name: str) -> None:
        """Kill and remove a container and its volumes; one that resists is left to the next `sweep`."""
        try:
            client.remove_container(name, force=True, v=True)
        except UNREACHABLE as error:
            if getattr(error, "status_code", None) not in GONE:
                logger.warning("container %s could not be removed yet: %s", name, error)
                self._left.add(name)
                return
        self._left.discard(name)

    def sweep(self) -> list[str]:
        """Remove what dead processes of this machine and earlier failures left; return the names.

        Raises WorkerUnavailable if Docker does not answer.
        """
        with self.connected() as client:
            try:
                rows: list[dict[str, Any]] = client.containers(all=True, filters={"label": OWNER_LABEL})
            except UNREACHABLE as error:
                raise unreachable(error) from error
            dead = {row["Names"][0].lstrip("/") for row in rows if is_dead(row["Labels"][OWNER_LABEL])}
            names = sorted(dead | self._left)
            for name in names:
                self.remove(client, name)
        return names


def own_mark() -> str:
    """Return what marks this process among all that ever ran on this machine."""
    return f"{_machine()}/{os.getpid()}/{_started(os.getpid())}"


def is_dead(mark: str) -> bool:
    """Return whether the process of a mark is surely gone; one of another machine or pid namespace is not."""
    try:
        machine, pid, started = mark.split("/")
        return machine == _machine() and _started(int(pid)) != started
    except ValueError:
        return False


def missing_image(image: str) -> NotConfigured:
    """Return the error for an image that Docker does not have."""
    command = f"docker build -t {image} worker" if image == OWN_IMAGE else f"docker pull {image}"
    return NotConfigured(f"Docker has no image {image!r}.", remedy=f"Get it with: {command}")


def unreachable(error: Exception) -> WorkerUnavailable:
    """Return the error for a Docker that does not answer."""
    logger.debug("Docker does not answer: %s", error)
    return WorkerUnavailable(
        "Docker does not answer: start it (systemctl start docker, or set DOCKER_HOST); then docker_task works."
    )


def refusal(error: APIError, field_name: str) -> VeraError:
    """Return the error for an answer of Docker: the task's fault for a status of 400 to 499, else Docker's."""
    text = str(cast("object", error.explanation))
    if error.response is not None and 400 <= error.response.status_code < 500:  # pyright: ignore
        return InvalidPayload(f"Docker refuses it: {text}.", field=field_name)
    return TaskFailed(f"Docker failed: {text}.")


def _knock() -> None:
    """Raise OSError if nobody listens at Docker's socket: the SDK finds out too, but leaves its own socket open."""
    address = str(parse_host(os.environ.get("DOCKER_HOST") or None))
    if address.startswith(UNIX):
        with socket.socket(socket.AF_UNIX) as door:
            door.connect(address.removeprefix(UNIX))


def _machine() -> str | None:
    """Name this boot and pid namespace; None outside Linux, where nothing is ever taken for dead."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}:{Path('/proc/self/ns/pid').readlink().name}"
    except OSError:
        return None


def _started(pid: int) -> str | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return stat.rpartition(")")[2].split()[19]
