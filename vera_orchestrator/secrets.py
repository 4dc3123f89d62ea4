"""Secrets in payloads: named, sealed, masked, redacted.

A payload names a secret as `{"$secret": "name"}`; it is looked up in the process that runs the task. One that comes in
clear, under a key such as `password` or `Authorization` or marked as `{"$sealed": value}`, is encrypted before it is
written anywhere and then reads `{"$sealed": token}`. All functions give back the very same object where there is
nothing to change.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import tempfile
from base64 import urlsafe_b64decode
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

from cryptography.fernet import Fernet, InvalidToken

from vera_orchestrator.errors import InvalidPayload, NotAllowed, NotConfigured

Lookup = Callable[[str], str]

REFERENCE = "$secret"
EVERY_SECRET = "*"
"""Among the names that a caller may use: all of them."""
SEALED = "$sealed"
MASK = "***"
TOKEN_PREFIX = "gAAAA"  # of every Fernet token: its version byte and the high bytes of its time
SHORTEST_REDACTED = 6

SECRET_HEADERS = frozenset({"authorization", "proxy-authorization", "cookie", "x-api-key"})
SECRET_KEYS = frozenset(
    {"api_key", "apikey", "password", "token", "auth_token", "access_token", "secret", "client_secret"}
)
_SECRET_NAMES = SECRET_HEADERS | SECRET_KEYS | {key.replace("_", "-") for key in SECRET_KEYS}


@dataclass(frozen=True, kw_only=True)
class Opened:
    """A payload as its worker gets it, and the clear values in it, for `redact`."""

    payload: Any
    values: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class _Rules:
    """What becomes of a plain value under a secret name, of a sealed or marked one, and of a reference."""

    plain: Callable[[Any], Any]
    sealed: Callable[[dict[str, Any]], Any]
    reference: Callable[[dict[str, Any]], Any]


def is_secret_name(name: object) -> bool:
    """Return whether what stands under this key, header or parameter counts as a secret."""
    return isinstance(name, str) and name.lower() in _SECRET_NAMES


def environment_variable(name: str) -> str:
    """Return the environment variable that holds a named secret."""
    return "VERA_SECRET_" + re.sub(r"[^A-Za-z0-9]", "_", name).upper()


def from_environment(name: str) -> str:
    """Return a named secret from the environment; raises NotConfigured, naming the variable."""
    variable = environment_variable(name)
    value = os.environ.get(variable)
    if not value:
        raise NotConfigured(
            f"The secret {name!r} is not set.", remedy=f"Set {variable} where the orchestrator and its workers run."
        )
    return value


def may_use(allowed: Collection[str], name: str) -> bool:
    """Return whether a named secret is among those that are allowed; names of one variable are one name."""
    return EVERY_SECRET in allowed or environment_variable(name) in map(environment_variable, allowed)


def check_allowed(payload: Any, allowed: Collection[str], *, place: str, remedy: str) -> None:
    """Raise NotAllowed for a reference to a secret that is not among the allowed ones, naming where below `place`."""
    if EVERY_SECRET in allowed:
        return
    for path, name in references(payload):
        if not may_use(allowed, name):
            raise NotAllowed(
                f"the key may not use the secret {name!r}.", field=".".join((place, *path)), remedy=remedy.format(name)
            )


def references(payload: Any) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield where a payload names a secret, and its name."""
    for path, value in _wrapped(payload):
        name = value.get(REFERENCE)
        if isinstance(name, str):
            yield path, name


def has_reference(payload: Any) -> bool:
    """Return whether a payload names a secret."""
    return any(True for _ in references(payload))


def check_unchanged(template: Any, filled: Any) -> None:
    """Raise NotAllowed if filling a template in has named a secret, or put in a sealed one, where it had none.

    What a dependency returned is not to choose among the secrets of whoever submitted the template.
    """
    before = dict(_wrapped(template))
    for path, value in _wrapped(filled):
        if before.get(path) != value:
            raise NotAllowed(
                "a secret is named by what another task returned.",
                field=".".join(("payload", *path)),
                remedy="Name it in the payload itself.",
            )


def resolve_secrets(payload: Any, lookup: Lookup = from_environment) -> Any:
    """Replace each `{"$secret": name}` by what `lookup` gives; raises NotConfigured where it does.

    What was looked up is not scanned again.
    """
    rules = _Rules(plain=_same, sealed=_same, reference=lambda reference: lookup(reference[REFERENCE]))
    return _rewrite(payload, rules, secret=False)


def mask(payload: Any) -> Any:
    """Replace clear and sealed secrets by `***`; a reference names no value and stays."""
    rules = _Rules(plain=lambda value: MASK if _is_sealable(value) else value, sealed=lambda _: MASK, reference=_same)
    return _rewrite(payload, rules, secret=False)


def redact(text: str, values: Iterable[str]) -> str:
    """Replace secret values of six characters or more by `***`, also where they are percent-encoded."""
    forms = {form for value in values if len(value) >= SHORTEST_REDACTED for form in (value, quote(value, safe=""))}
    for form in sorted(forms, key=len, reverse=True):
        text = text.replace(form, MASK)
    return text


class Sealer:
    """Seals and unseals with one key: 32 bytes in URL-safe base64, as `Fernet.generate_key()` makes them.

    `fingerprint` tells keys apart without giving them away.
    """

    def __init__(self, key: bytes | str) -> None:
        try:
            self._fernet = Fernet(key)
        except ValueError:
            raise NotConfigured(
                "The key for sealed secrets is not 32 bytes in URL-safe base64.", remedy="Restore the key file."
            ) from None
        self.fingerprint = hashlib.sha256(urlsafe_b64decode(key)).hexdigest()[:16]
        self._seal = _Rules(plain=self._sealed_plain, sealed=self._sealed_marked, reference=_same)
        self._unseal = _Rules(plain=_same, sealed=self._clear, reference=_same)

    @classmethod
    def from_file(cls, path: Path) -> Sealer:
        """Return the sealer whose key is in a file, which is made if there is none, readable by its owner only.

        Of several processes that make it at once, one wins and all use its key. Raises NotConfigured if others may
        read the file or it holds no key.
        """
        return cls(read_key(path))

    def seal(self, payload: Any) -> Any:
        """Encrypt the secrets that are in clear; what this key sealed before stays as it is.

        Raises InvalidPayload if the payload is nested too deeply.
        """
        return _rewrite(payload, self._seal, secret=False)

    def unseal(self, payload: Any) -> Any:
        """Restore what was sealed; raises NotConfigured if that was done with another key."""
        return _rewrite(payload, self._unseal, secret=False)

    def open(self, payload: Any, lookup: Lookup = from_environment) -> Opened:
        """Unseal and resolve a payload, once, and note every secret value that the worker will see.

        A dependency's result must be put in afterwards: what it holds is not the submitter's to resolve.
        """
        values: set[str] = set()

        def noted(value: Any) -> Any:
            values.update(_texts(value))
            return value

        rules = _Rules(
            plain=noted,
            sealed=lambda wrapped: noted(self._clear(wrapped)),
            reference=lambda reference: noted(lookup(reference[REFERENCE])),
        )
        opened = _rewrite(payload, rules, secret=False)
        return Opened(payload=opened, values=frozenset(values))

    def _sealed_plain(self, value: Any) -> Any:
        return {SEALED: self._token(value)} if _is_sealable(value) else value

    def _sealed_marked(self, wrapped: dict[str, Any]) -> dict[str, Any]:
        value = wrapped[SEALED]
        if isinstance(value, str) and self._opened(value) is not None:
            return wrapped
        return {SEALED: self._token(value)}

    def _clear(self, wrapped: dict[str, Any]) -> Any:
        value = wrapped[SEALED]
        text = self._opened(value) if isinstance(value, str) else None
        if text is not None:
            return json.loads(text)
        if isinstance(value, str) and value.startswith(TOKEN_PREFIX):
            raise NotConfigured(
                "A sealed value of the payload was sealed with another key.",
                remedy="Restore the key file of the state folder, or submit the task again.",
            )
        return value

    def _token(self, value: Any) -> str:
        return self._fernet.encrypt(json.dumps(value).encode()).decode()

    def _opened(self, token: str) -> bytes | None:
        if not token.startswith(TOKEN_PREFIX):
            return None
        try:
            return self._fernet.decrypt(token)
        except InvalidToken:
            return None


def read_key(path: Path) -> bytes:
    """Return the key in a file, after making the file if there is none; see `Sealer.from_file` for errors."""
    if not path.exists():
        _make_key(path)
    with path.open("rb") as file:
        mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
        if mode & 0o077:
            raise NotConfigured(f"Others may read the key file {path}.", remedy=f"Run chmod 600 {path}.")
        return file.read().strip()


def _make_key(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # mkstemp gives an exclusive file with mode 0600; a link makes it appear under its name whole, or not at all
    number, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(number, "wb") as file:
            file.write(Fernet.generate_key())
            file.flush()
            os.fsync(file.fileno())
        path.hardlink_to(temporary)
    except FileExistsError:
        pass  # another process was first, and its key holds
    finally:
        Path(temporary).unlink()


def _rewrite(value: Any, rules: _Rules, *, secret: bool) -> Any:
    try:
        return _walk(value, rules, secret)
    except RecursionError:
        raise InvalidPayload("The payload is nested too deeply.", field="payload", remedy="Flatten it.") from None


def _walk(value: Any, rules: _Rules, secret: bool) -> Any:
    if isinstance(value, dict):
        return _walk_object(cast("dict[Any, Any]", value), rules, secret)
    if isinstance(value, list | tuple):
        return _walk_array(cast("list[Any] | tuple[Any, ...]", value), rules, secret)
    return rules.plain(value) if secret else value


def _walk_object(value: dict[Any, Any], rules: _Rules, secret: bool) -> Any:
    if _is_wrapped(value):
        return rules.sealed(value) if SEALED in value else rules.reference(value)
    changed: dict[Any, Any] | None = None
    for key, item in value.items():
        new = _walk(item, rules, secret or is_secret_name(key))
        if new is not item:
            changed = dict(value) if changed is None else changed
            changed[key] = new
    return value if changed is None else changed


def _wrapped(payload: Any) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """Yield every reference and sealed value with its path; what is in one is none."""
    left: list[tuple[tuple[str, ...], Any]] = [((), payload)]
    while left:
        path, value = left.pop()
        members: Iterable[tuple[Any, Any]]
        if isinstance(value, dict):
            if _is_wrapped(cast("dict[Any, Any]", value)):
                yield path, value
                continue
            members = cast("dict[Any, Any]", value).items()
        elif isinstance(value, list | tuple):
            members = enumerate(cast("list[Any]", value))
        else:
            continue
        left += [((*path, str(key)), member) for key, member in members if isinstance(member, dict | list | tuple)]


def _is_wrapped(value: dict[Any, Any]) -> bool:
    return len(value) == 1 and (SEALED in value or isinstance(value.get(REFERENCE), str))


def _walk_array(value: list[Any] | tuple[Any, ...], rules: _Rules, secret: bool) -> Any:
    new = [_walk(item, rules, secret) for item in value]
    if all(ours is theirs for ours, theirs in zip(new, value, strict=True)):
        return value
    return new if isinstance(value, list) else tuple(new)


def _is_sealable(value: Any) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool) and value != ""


def _texts(value: Any) -> Iterable[str]:
    """Yield the texts in a secret value, which may be any JSON."""
    if isinstance(value, dict):
        for item in cast("dict[Any, Any]", value).values():
            yield from _texts(item)
    elif isinstance(value, list | tuple):
        for item in cast("list[Any]", value):
            yield from _texts(item)
    elif _is_sealable(value):
        yield str(value)


def _same(value: Any) -> Any:
    return value
