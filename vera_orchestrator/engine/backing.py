"""What embedded Prefect servers stand on beside their folder: a database and a Redis server that hosts share."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode, urlsplit

if TYPE_CHECKING:  # the supervisor reads this file, and stays small
    from pydantic import SecretStr

    from vera_orchestrator.settings import OrchestratorConfig

SQLITE = "SQLite"
DRIVER = "postgresql+asyncpg"


@dataclass(frozen=True, kw_only=True, slots=True)
class Backing:
    """Addresses and secrets from the settings; what is None is in the server's own folder.

    `database_url` is a PostgreSQL URL for asyncpg, `redis_url` one for redis-py. `encryption_key` is the Fernet key of
    the blocks, `auth_string` is `user:password`. All four are secrets.
    """

    database_url: str | None = field(default=None, repr=False)
    redis_url: str | None = field(default=None, repr=False)
    encryption_key: str | None = field(default=None, repr=False)
    auth_string: str | None = field(default=None, repr=False)

    @classmethod
    def of(cls, settings: OrchestratorConfig) -> Backing:
        """Return what the settings name."""
        database_url = _shown(settings.prefect_database_url)
        return cls(
            database_url=for_asyncpg(database_url) if database_url is not None else None,
            redis_url=_shown(settings.prefect_redis_url),
            encryption_key=_shown(settings.prefect_encryption_key),
            auth_string=_shown(settings.prefect_auth_string),
        )

    @classmethod
    def from_json(cls, text: str | bytes) -> Backing:
        """Return what `to_json` wrote."""
        return cls(**json.loads(text))

    def to_json(self) -> str:
        """Return everything as text, secrets in clear."""
        return json.dumps(asdict(self))

    @property
    def database(self) -> str:
        """The database's kind, host, port and name, for people: without its account."""
        return f"PostgreSQL at {_place(self.database_url)}" if self.database_url is not None else SQLITE

    @property
    def redis(self) -> str:
        """The Redis server's host, port and number, for people: without its account; empty if there is none."""
        return f"Redis at {_place(self.redis_url)}" if self.redis_url is not None else ""

    def __str__(self) -> str:
        return " and ".join(filter(None, (self.database, self.redis)))


def for_asyncpg(url: str) -> str:
    """Return a PostgreSQL URL, whatever driver it names, for asyncpg, which spells libpq's `sslmode` as `ssl`."""
    rest = url.partition("://")[2]
    address, mark, query = rest.partition("?")
    named = [("ssl" if name == "sslmode" else name, value) for name, value in parse_qsl(query)]
    return f"{DRIVER}://{address}{mark}{urlencode(named, safe='/')}"


def _place(url: str) -> str:
    # The settings let no `@` pass outside of the account, so that nothing of a password is taken for a host.
    parts = urlsplit(url)
    return parts.netloc.rpartition("@")[2] + parts.path


def _shown(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret is not None else None
