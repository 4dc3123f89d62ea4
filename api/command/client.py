"""Requests to a server."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import httpx

from api.command.exits import CommandFailed, Exit
from api.command.options import DEFAULT_HOST, DEFAULT_PORT, Remote, home_folder

PREFIX = "/api/v2/orchestrator"
SECONDS = 30.0
START = "Start one with vera up, or name another with --url or VERA_URL."


class Client:
    """A server as a caller sees it. Every request raises CommandFailed if it is not answered with success."""

    def __init__(self, remote: Remote) -> None:
        self.base_url = base_url(remote)
        headers = {"Authorization": f"Bearer {remote.key}"} if remote.key else {}
        self.headers = headers
        self._http = httpx.Client(
            base_url=self.base_url, headers=headers, timeout=SECONDS, trust_env=not is_loopback(self.base_url)
        )

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def get(self, path: str, *, wait_seconds: float = 0, **query: Any) -> Any:
        """Return an answer; values of the query that are None or empty are left out."""
        given = {name: value for name, value in query.items() if value not in (None, [], ())}
        if wait_seconds:
            given["wait_seconds"] = wait_seconds
        return self._asked("GET", path, params=given, timeout=SECONDS + wait_seconds)

    def post(self, path: str, body: Mapping[str, Any] | None = None, *, idempotency_key: str | None = None) -> Any:
        """Send a body and return the answer."""
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else None
        return self._asked("POST", path, json=body, headers=headers)

    def delete(self, path: str) -> Any:
        """Delete something and return the answer."""
        return self._asked("DELETE", path)

    @contextmanager
    def stream(self, path: str) -> Generator[httpx.Response]:
        """Give an answer that comes piece by piece."""
        with (
            self._reaching(),
            self._http.stream("GET", path, timeout=httpx.Timeout(SECONDS, read=None)) as response,
        ):
            if not response.is_success:
                response.read()
                raise refused(response)
            yield response

    def _asked(self, method: str, path: str, **given: Any) -> Any:
        with self._reaching():
            response = self._http.request(method, path, **given)
        if not response.is_success:
            raise refused(response)
        try:
            return response.json()
        except ValueError as error:
            raise CommandFailed(
                Exit.UNREACHABLE, f"What answers at {self.base_url} is no Vera server.", START
            ) from error

    @contextmanager
    def _reaching(self) -> Generator[None]:
        try:
            yield
        except httpx.TimeoutException as error:
            raise CommandFailed(Exit.UNREACHABLE, f"{self.base_url} does not answer in time.", START) from error
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise CommandFailed(Exit.UNREACHABLE, f"No server answers at {self.base_url} ({error}).", START) from error


def base_url(remote: Remote) -> str:
    """Return where the endpoints are: those of `--url`, else of the server on this state folder, else the usual place.

    An address without a path gets the usual prefix. Raises CommandFailed for what is no address.
    """
    url = (remote.url or _recorded_url() or f"http://{DEFAULT_HOST}:{DEFAULT_PORT}").rstrip("/")
    parts = urlsplit(url if "://" in url else f"http://{url}")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise CommandFailed(Exit.USAGE, f"{url} is no address.", "Write it like http://127.0.0.1:8000.")
    return f"{parts.scheme}://{parts.netloc}{parts.path or PREFIX}"


def is_loopback(url: str) -> bool:
    """Return whether an address is on this machine, where no proxy is asked."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def refused(response: httpx.Response) -> CommandFailed:
    """Return why the server did not do what it was asked: its own words."""
    try:
        problem: dict[str, Any] = response.json()
        detail, name, remedy = problem["detail"], problem.get("field"), problem.get("remedy")
    except (ValueError, KeyError, TypeError):
        text = f"{response.url} answers {response.status_code} {response.reason_phrase}."
        return CommandFailed(Exit.REFUSED, text, "Is it a Vera server of this version? See vera status.")
    words = f"{name}: {detail}" if name and not str(detail).startswith(f"{name}:") else str(detail)
    if response.status_code == HTTPStatus.UNAUTHORIZED:
        remedy = (
            "Give a key with --key or VERA_API_KEY; vera keys create makes one on the server's machine "
            "(while the server is down, if VERA_REQUIRE_KEY=always)."
        )
    return CommandFailed(Exit.REFUSED, words, remedy, problem=problem)


def _recorded_url() -> str | None:
    from api.command.record import ServerFile

    record = ServerFile(home_folder()).living()
    return record.url if record else None
