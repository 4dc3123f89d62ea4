"""The secrets of the embedded Prefect server, each in a file that only its owner can read."""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

USER = "vera"


@dataclass(frozen=True, kw_only=True, slots=True)
class Credentials:
    """What the server and its clients share.

    `auth_string` is `user:password` for basic authentication, and what Prefect's UI asks for. `encryption_key` is the
    Fernet key under which the server keeps its blocks.
    """

    auth_string: str = field(repr=False)
    encryption_key: str = field(repr=False)


def load_credentials(folder: Path) -> Credentials:
    """Read the secrets in `folder`, making those that are missing; all processes get the same ones."""
    return Credentials(
        auth_string=_secret(folder / "auth", _new_auth_string),
        encryption_key=_secret(folder / "encryption-key", _new_fernet_key),
    )


def given_credentials(folder: Path, *, auth_string: str | None, encryption_key: str | None) -> Credentials:
    """Return the secrets for a server that starts: those given, and those in `folder` for what is None.

    A given auth string replaces the one in the folder, where the server's clients read it. A given key does not: what
    an earlier server wrote under the folder's own key stays readable.
    """
    if auth_string is not None:
        _replace(folder / "auth", auth_string)
    found = load_credentials(folder)
    return Credentials(auth_string=found.auth_string, encryption_key=encryption_key or found.encryption_key)


def _secret(path: Path, make: Callable[[], str]) -> str:
    if not path.exists():
        _create(path, make())
    path.chmod(0o600)
    return path.read_text(encoding="ascii").strip()


def _create(path: Path, text: str) -> None:
    # A link appears at once with its whole content, and fails if another process was first: then its secret counts.
    with _draft(path, text) as draft, suppress(FileExistsError):
        path.hardlink_to(draft)


def _replace(path: Path, text: str) -> None:
    with _draft(path, text) as draft:
        draft.replace(path)


@contextmanager
def _draft(path: Path, text: str) -> Generator[Path]:
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        yield draft
    finally:
        draft.unlink(missing_ok=True)


def _new_auth_string() -> str:
    return f"{USER}:{secrets.token_urlsafe(32)}"


def _new_fernet_key() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode("ascii")
