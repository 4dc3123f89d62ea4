"""Prefect's settings for the embedded server and for its clients, as environment variables."""

from __future__ import annotations

from collections.abc import Mapping

from vera_orchestrator.engine.backing import Backing
from vera_orchestrator.engine.credentials import Credentials
from vera_orchestrator.engine.server_folder import HOST, ServerFolder, ServerState

DAY_SECONDS = 86_400
EVENT_QUEUE_SIZE = 10_000
"""Events that a client keeps for a slow server; above it Prefect drops them and says so."""

INHERITED = frozenset({"HOME", "LANG", "LD_LIBRARY_PATH", "PATH", "PYTHONPATH", "TMPDIR", "TZ", "USER", "VIRTUAL_ENV"})
"""What the server gets of its starter's environment: neither its PREFECT_* settings nor its keys."""


def server_environment(
    inherited: Mapping[str, str],
    *,
    folder: ServerFolder,
    state: ServerState,
    credentials: Credentials,
    retention_days: int,
    backing: Backing,
) -> dict[str, str]:
    """Return the whole environment of the server process, which is where its secrets are.

    PREFECT_HOME is the folder itself, so that no profile of the user applies. Events, and flow runs with their task
    runs, logs and artifacts, are deleted `retention_days` after their end.
    """
    return {name: value for name, value in inherited.items() if name in INHERITED} | {
        "PREFECT_HOME": str(folder.path),
        "PREFECT_LOGGING_LEVEL": "WARNING",
        "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": backing.database_url or f"sqlite+aiosqlite:///{folder.database}",
        "PREFECT_SERVER_API_HOST": HOST,
        "PREFECT_SERVER_API_PORT": str(state.port),
        "PREFECT_SERVER_API_AUTH_STRING": credentials.auth_string,
        "PREFECT_SERVER_ENCRYPTION_KEY": credentials.encryption_key,
        "PREFECT_SERVER_API_CORS_ALLOWED_ORIGINS": state.origin,
        "PREFECT_SERVER_API_CSRF_PROTECTION_ENABLED": "true",
        "PREFECT_SERVER_UI_API_URL": state.api_url,
        "PREFECT_SERVER_UI_STATIC_DIRECTORY": str(folder.ui),
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_EVENTS_RETENTION_PERIOD": f"P{retention_days}D",
        "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs,orphans",
        "PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD": str(retention_days * DAY_SECONDS),
        **shared_settings(backing),
    }


def shared_settings(backing: Backing) -> dict[str, str]:
    """Return the variables by which servers on one database share the work; none for a server on its own.

    Through Redis go the events and logs that a server passes on, the order of events, the leases of concurrency limits,
    what workers are to clean up, and the turns of the background services (Docket). So each server can run all services
    and each thing is done once, whichever of them come and go.
    """
    variables: dict[str, str] = {}
    if backing.database_url is not None:
        # The note of what was registered is in this folder, while the database may have been made anew.
        variables["PREFECT_SERVER_MEMOIZE_BLOCK_AUTO_REGISTRATION"] = "false"
    if backing.redis_url is not None:
        variables |= {
            "PREFECT_SERVER_EVENTS_MESSAGING_BROKER": "prefect_redis.messaging",
            "PREFECT_SERVER_EVENTS_MESSAGING_CACHE": "prefect_redis.messaging",
            "PREFECT_SERVER_EVENTS_CAUSAL_ORDERING": "prefect_redis.ordering",
            "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect_redis.lease_storage",
            "PREFECT_SERVER_WORKER_CHANNEL_CLEANUP_QUEUE_STORAGE": "prefect_redis.cleanup_queue",
            "PREFECT_REDIS_MESSAGING_URL": backing.redis_url,
            # Each event at once: a batch would keep the last ones for 10 s, and lose them with the server.
            "PREFECT_REDIS_MESSAGING_PUBLISHER_BATCH_SIZE": "1",
            "PREFECT_REDIS_WORKER_CLEANUP_QUEUE_URL": backing.redis_url,
            "PREFECT_SERVER_DOCKET_URL": backing.redis_url,
        }
    return variables


def client_settings(*, api_url: str, auth_string: str) -> dict[str, str]:
    """Return the PREFECT_* variables that a client of the server needs."""
    return {
        "PREFECT_API_URL": api_url,
        "PREFECT_API_AUTH_STRING": auth_string,
        "PREFECT_CLIENT_CSRF_SUPPORT_ENABLED": "true",
        "PREFECT_EVENTS_WORKER_MAX_QUEUE_SIZE": str(EVENT_QUEUE_SIZE),
        "PREFECT_SERVER_EPHEMERAL_ENABLED": "false",
    }
