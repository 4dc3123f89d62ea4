"""The one settings class. Every field can also come from the environment as `VERA_<FIELD>`.

`python -m vera_orchestrator.settings` lists the fields.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, cast
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict, SettingsError

from vera_orchestrator.enums import RoutingStrategy
from vera_orchestrator.errors import InvalidValue
from vera_orchestrator.models import APIQuota
from vera_orchestrator.pricing import ModelPrice
from vera_orchestrator.providers import KINDS, kind_of
from vera_orchestrator.windows import zone_named

_UNLIMITED: dict[str, Any] = {"requests_per_minute": None, "requests_per_hour": None, "requests_per_day": None}
NO_LIMITS = APIQuota(**_UNLIMITED)


class PrefectMode(StrEnum):
    """Where the Prefect server is."""

    AUTO = "auto"
    EMBEDDED = "embedded"
    OFF = "off"


class SandboxMode(StrEnum):
    """What encloses code from a task."""

    BUBBLEWRAP = "bubblewrap"
    NONE = "none"


class KeyMode(StrEnum):
    """When the API asks for a key."""

    AUTO = "auto"
    ALWAYS = "always"


_ADDRESSES: Mapping[str, tuple[str, str]] = {
    "prefect_database_url": (r"postgres(ql)?(\+\w+)?", "postgresql://user:password@host:5432/database"),
    "prefect_redis_url": (r"rediss?(\+sentinel)?", "redis://:password@host:6379/0"),
}
"""The scheme, and how such a URL looks."""


class OrchestratorConfig(BaseSettings):
    """Settings of an orchestrator.

    Arguments win over the environment, the environment over the defaults. Raises InvalidValue for a value out of
    range, naming the field.
    """

    model_config = SettingsConfigDict(env_prefix="VERA_", frozen=True, extra="forbid")

    # what the specification names
    max_concurrent_tasks: int = Field(10, ge=1, description="Tasks that this orchestrator runs at a time.")
    enable_auto_scaling: bool = Field(True, description="Let pools of workers grow and shrink with the load.")
    docker_pool_size: int = Field(3, ge=0, description="Docker workers to begin with.")
    docker_image: str = Field("vera-worker:latest", description="Image of the Docker workers.")
    ollama_url: str = Field("http://localhost:11434", description="Address of the Ollama server.")
    health_check_interval: float = Field(30, gt=0, description="Seconds between two health checks of a worker.")
    task_timeout_seconds: float = Field(300, gt=0, description="Seconds that one attempt may take by default.")

    # state
    home: Path = Field(Path("~/.vera"), description="Folder for the journal, keys and the embedded Prefect server.")
    database_url: SecretStr | None = Field(None, description="SQLAlchemy URL of the journal; None: SQLite in `home`.")
    seal_key: SecretStr | None = Field(
        None,
        description="Key that seals secrets in the journal, the same for all that share one; None: the file seal.key "
        "in `home`, made at the first start.",
    )
    max_queued_tasks: int = Field(200_000, ge=1, description="Tasks that may wait; above it submissions are refused.")
    max_result_bytes: int = Field(16_000_000, ge=1_000, description="Largest result, as JSON, that a task may have.")
    idempotency_ttl_seconds: float = Field(86_400, gt=0, description="Seconds that an idempotency key is remembered.")
    retention_days: float = Field(30, gt=0, description="Days that ended tasks stay in the journal.")
    retention_tasks: int = Field(1_000_000, ge=0, description="Ended tasks that stay in the journal at most.")
    retention_interval_seconds: float = Field(60, gt=0, description="Seconds between two rounds of retention.")

    # the life of a task
    auto_start: bool = Field(True, description="Start the orchestrator when a task is submitted to a stopped one.")
    age_step_seconds: float = Field(30, gt=0, description="Seconds of waiting that lift a task by one priority.")
    freeze_garbage: bool = Field(
        True, description="Spare what exists at start() from garbage collection (gc.freeze) until stop()."
    )
    retry_delay_max_seconds: float = Field(300, gt=0, description="Longest delay before a retry, in seconds.")
    recovery_grace_seconds: float = Field(60, ge=0, description="Seconds a recovered task waits for a fitting worker.")
    unavailable_wait_seconds: float = Field(5, ge=0, description="Seconds to wait while fitting workers are away.")
    drain_seconds: float = Field(30, ge=0, description="Seconds that stop() lets running tasks go on.")
    lease_seconds: float = Field(15, gt=0, description="Seconds after which a silent owner counts as dead.")
    lease_renew_seconds: float = Field(5, gt=0, description="Seconds between two renewals of the lease.")
    breaker_failures: int = Field(5, ge=1, description="Failures in a row after which a worker is set aside.")
    breaker_seconds: float = Field(10, gt=0, description="Seconds a worker is set aside before it gets one task.")

    # language models
    default_openai_model: str | None = Field("gpt-5.4-mini", description="OpenAI's model where a task names none.")
    default_anthropic_model: str | None = Field(
        "claude-haiku-4-5", description="Anthropic's model where a task names none."
    )
    default_gemini_model: str | None = Field("gemini-2.5-flash", description="Gemini's model where a task names none.")
    default_ollama_model: str | None = Field(
        None, description="Ollama's model where a task names none; none, or not installed: the first that can chat."
    )

    ollama_hosts: Annotated[list[str], NoDecode] = Field(
        default_factory=list, description="Addresses of further Ollama servers, each a worker of its own."
    )
    ollama_pull: bool = Field(False, description="Let Ollama download a model that a task names and that it lacks.")
    llm_keys_from_environment: bool = Field(
        True, description="Make workers of the keys in OPENAI_API_KEY, ANTHROPIC_API_KEY, GEMINI_API_KEY and the like."
    )
    llm_output_tokens: int = Field(
        4_096, ge=1, description="Tokens that an answer may have, where limits hold and the task has no max_tokens."
    )
    llm_prices: dict[str, ModelPrice] = Field(
        default_factory=dict[str, ModelPrice],
        description='USD per million tokens by model, {"my-model": {"input": 0.5, "output": 1}}, in place of the'
        " published prices; 0 for what is free.",
    )
    llm_model_classes: dict[str, list[str]] = Field(
        default_factory=dict[str, list[str]],
        description='Names for chains of models, the first choice first: {"fast": ["gpt-5.4-mini", "ollama/llama3.2"]}.'
        " An entry is a model, kind/model or worker-id/model.",
    )
    llm_limits: APIQuota = Field(NO_LIMITS, description="Limits on what all language models together use.")
    llm_provider_limits: dict[str, APIQuota] = Field(
        default_factory=dict[str, APIQuota], description='Limits by provider: {"openai": {"cost_limit_per_day": 5}}.'
    )
    llm_budgets: dict[str, APIQuota] = Field(
        default_factory=dict[str, APIQuota], description="Named limits, which hold for the tasks that name them."
    )
    llm_time_zone: str = Field("UTC", description="Time zone (IANA) of the days that limits per day are for.")
    llm_slack_seconds: float = Field(
        1, ge=0, description="Seconds that a request may take to the provider's door, which keeps other windows."
    )
    llm_cache_seconds: float = Field(
        86_400, gt=0, description="Seconds that an answer is kept for tasks that ask for cached ones."
    )
    openai_wait_seconds: float = Field(
        30, gt=0, description="Seconds that a request at /v1 waits for a limit before it is refused with 429."
    )
    routing: RoutingStrategy = Field(
        RoutingStrategy.COST, description="What decides between fitting workers: cost, latency, load or round_robin."
    )

    # Prefect
    prefect: PrefectMode = Field(
        PrefectMode.AUTO,
        description="auto: the server in PREFECT_API_URL, else an embedded one; embedded; off: none.",
    )
    prefect_start_seconds: float = Field(60, gt=0, description="Seconds to wait for the embedded Prefect server.")
    prefect_limits_seconds: float = Field(5, gt=0, le=10, description="Seconds between two reads of Prefect's limits.")
    prefect_database_url: SecretStr | None = Field(
        None,
        description="PostgreSQL URL, postgresql://user:password@host:5432/database, for the embedded server's tables,"
        " which several hosts may share. None: SQLite in `home`.",
    )
    prefect_redis_url: SecretStr | None = Field(
        None,
        description="Redis URL, redis://host:6379/0, that embedded servers need when several share a database.",
    )
    prefect_encryption_key: SecretStr | None = Field(
        None,
        description="Fernet key of the embedded server's blocks, the same for all servers that share a database. None:"
        " the one in `home`/prefect/encryption-key.",
    )
    prefect_auth_string: SecretStr | None = Field(
        None,
        description="user:password that the embedded server asks for, the same for all behind one address. None: the"
        " one in `home`/prefect/auth.",
    )
    prefect_retention_days: int = Field(7, ge=1, description="Days the embedded server keeps events and runs.")
    own_run_rate: float = Field(20, ge=0, description="Tasks of a type per second up to which each has its own run.")
    carrier_seconds: float = Field(1.0, gt=0, description="Seconds that a carrier run takes in tasks.")
    carrier_tasks: int = Field(500, ge=1, description="Tasks that a carrier run takes in at most.")
    host_runs: int = Field(1_000, ge=1, description="Task runs after which the host flow run is renewed.")
    batch_own_runs: int = Field(200, ge=0, description="Largest batch in which each task has a run of its own.")

    # safety
    http_allow: Annotated[list[str], NoDecode] = Field(
        default_factory=list, description="host:port that tasks may call although the address is private or loopback."
    )
    http_max_bytes: int = Field(16_000_000, ge=1, description="Largest body of a response to a task's request.")
    sandbox: SandboxMode = Field(SandboxMode.BUBBLEWRAP, description="bubblewrap, or none: code runs unprotected.")
    sandbox_network: bool = Field(False, description="Let a code task that asks for it reach the network.")
    sandbox_memory_mb: int = Field(512, ge=16, description="MiB of memory that a program in the sandbox may use.")
    sandbox_processes: int = Field(64, ge=1, description="Processes that a program in the sandbox may start.")
    sandbox_output_bytes: int = Field(1_000_000, ge=1_000, description="Bytes of output kept of a sandboxed program.")
    tools_root: Path | None = Field(None, description="Folder that file tools may use; None: `home`/../workspace.")
    search_url: str | None = Field(None, description="Address of a SearXNG server for the tool web_search.")

    # the API
    api_key: SecretStr | None = Field(None, description="Key that callers of the API send as a bearer token.")
    webhook_secret: SecretStr | None = Field(
        None, description="Base64 with which messages to webhooks are signed that have no secret of their own."
    )
    require_key: KeyMode = Field(
        KeyMode.AUTO,
        description="auto: callers on this machine need no key, others do; always: everybody needs one.",
    )
    max_body_bytes: int = Field(16_000_000, ge=1_000, description="Largest body of a request to the API.")
    max_header_bytes: int = Field(32_768, ge=1_000, description="Most bytes in the headers and query of a request.")
    cors_origins: Annotated[list[str], NoDecode] = Field(
        default_factory=list,
        description="Origins, as https://pages.example.com, whose pages may call the API with a key. None: no other.",
    )
    audit_days: float = Field(365, gt=0, description="Days that management calls stay in the audit.")

    def __init__(self, **values: Any) -> None:
        """Read arguments and environment; see the class for errors."""
        try:
            super().__init__(**values)
        except SettingsError as error:  # its text shows neither the value nor what to write
            name = str(error).partition('"')[2].partition('"')[0]
            raise InvalidValue(
                "It is not JSON.",
                field=name,
                remedy=f"Write VERA_{name.upper()} as JSON, see python -m vera_orchestrator.settings.",
            ) from None
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            name = ".".join(str(part) for part in first["loc"])
            raise InvalidValue(
                f"{first['msg']}.",
                field=name,
                remedy=f"Set it as an argument or as VERA_{name.partition('.')[0].upper()}.",
            ) from None

    @field_validator("home", "tools_root")
    @classmethod
    def _absolute(cls, path: Path | None) -> Path | None:
        return path.expanduser().absolute() if path else None

    @field_validator("llm_provider_limits", "llm_budgets", "llm_limits", mode="before")
    @classmethod
    def _only_given_limits(cls, value: object, info: ValidationInfo) -> object:
        """Leave what is not given unlimited: the usual numbers are those of one key of a provider."""
        if not isinstance(value, dict):
            return value
        given = cast("dict[str, Any]", value)
        if info.field_name == "llm_limits":
            return {**_UNLIMITED, **given}
        return {
            name: {**_UNLIMITED, **cast("dict[str, Any]", one)} if isinstance(one, dict) else one
            for name, one in given.items()
        }

    @field_validator("llm_provider_limits")
    @classmethod
    def _known_kinds(cls, limits: dict[str, APIQuota]) -> dict[str, APIQuota]:
        """A limit under a name that no worker has would never hold."""
        for name in limits:
            if kind_of(name) not in KINDS:
                raise ValueError(f"{name!r} is not a kind of provider, use {', '.join(KINDS)}")
        by_kind = {kind_of(name): quota for name, quota in limits.items()}
        if len(by_kind) < len(limits):
            raise ValueError("one kind of provider is named twice")
        return by_kind

    @field_validator("llm_time_zone")
    @classmethod
    def _zone(cls, name: str) -> str:
        zone_named(name)
        return name

    @field_validator("http_allow", "ollama_hosts", "cors_origins", mode="before")
    @classmethod
    def _from_commas(cls, value: object) -> object:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    @field_validator("ollama_url", "ollama_hosts")
    @classmethod
    def _without_account(cls, value: str | list[str]) -> str | list[str]:
        if any("@" in address for address in ([value] if isinstance(value, str) else value)):
            raise ValueError("an account in the address of Ollama is not sent: leave it out")
        return value

    @field_validator("prefect_database_url", "prefect_redis_url")
    @classmethod
    def _address(cls, url: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if url is not None:
            _check_address(url.get_secret_value(), *_ADDRESSES[str(info.field_name)])
        if url is not None and info.field_name == "prefect_redis_url" and not info.data.get("prefect_database_url"):
            raise ValueError("it is of use only to servers that share a database, and prefect_database_url is not set")
        return url

    @field_validator("database_url")
    @classmethod
    def _journal_address(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and not url.get_secret_value().startswith("sqlite"):  # the path of a file may have any name
            _check_account(url.get_secret_value())
        return url

    @field_validator("prefect_encryption_key")
    @classmethod
    def _fernet_key(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None and not re.fullmatch("[A-Za-z0-9_-]{43}=", key.get_secret_value()):
            raise ValueError("a Fernet key is 32 bytes in URL-safe base64")
        return key

    @field_validator("prefect_auth_string")
    @classmethod
    def _user_and_password(cls, auth: SecretStr | None) -> SecretStr | None:
        if auth is not None and not re.fullmatch("[!-9;-~]+:[!-~]+", auth.get_secret_value()):
            raise ValueError("it has the form user:password, of printable ASCII characters without spaces")
        return auth

    @property
    def journal_url(self) -> str:
        """The SQLAlchemy URL of the journal."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        return f"sqlite:///{self.home / 'journal.db'}"

    @property
    def workspace(self) -> Path:
        """The folder that file tools may use; never one that holds the state folder."""
        return self.tools_root or self.home.parent / f"{self.home.name}-workspace"


def _check_address(url: str, schemes: str, example: str) -> None:
    try:
        parts = urlsplit(url)
    except ValueError:  # its text may hold the password
        raise ValueError("this is no URL") from None
    if not re.fullmatch(schemes, parts.scheme) or not parts.netloc.rpartition("@")[2] + parts.query:
        raise ValueError(f"it has the form {example}")
    _check_account(url)


def _check_account(url: str) -> None:
    """Refuse what would be taken for the host, and shown in errors, although it belongs to the password."""
    is_cut_off = "@" in url and "@" not in url.partition("://")[2].partition("/")[0].partition("?")[0]
    if url.count("@") > 1 or is_cut_off:
        raise ValueError("what is not a letter or digit in an account or password is to be written as %XX")


def listing() -> str:
    """Return two lines per field: its name, its variable and its default, then what it is for."""
    lines: list[str] = []
    for name, field in OrchestratorConfig.model_fields.items():
        default = field.get_default(call_default_factory=True)
        lines += [f"{name} (VERA_{name.upper()}) = {_shown(default)}", f"    {field.description}"]
    return "\n".join(lines)


def _shown(default: object) -> str:
    return "none" if default is None or default == [] else str(default)


if __name__ == "__main__":
    sys.stdout.write(f"{listing()}\n")
