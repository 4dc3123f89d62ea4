"""What is said about a Prefect server that somebody runs without protection."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import prefect.settings
import pytest
from prefect.settings import temporary_settings

from tests.engine.recording import next_host, recorded
from tests.engine.server_users import ROOT, Watch
from tests.support import Scripted, soon, until
from vera_orchestrator.engine.advice import advice, advice_for

OPEN = {"server": {"api": {"cors_allowed_origins": "*", "csrf_protection_enabled": False}}}
CLOSED = {"server": {"api": {"cors_allowed_origins": "https://own.example", "csrf_protection_enabled": True}}}
NEEDED = ("PREFECT_SERVER_API_AUTH_STRING", "PREFECT_API_AUTH_STRING", "PREFECT_SERVER_ENCRYPTION_KEY")
AGAINST_PAGES = ("PREFECT_SERVER_API_CORS_ALLOWED_ORIGINS", "PREFECT_SERVER_API_CSRF_PROTECTION_ENABLED")


@pytest.fixture
def unprotected(home: Path) -> Iterator[str]:
    """The API's address of a Prefect server as `prefect server start` makes one, without any settings."""
    folder = home / "prefect"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        process = subprocess.Popen(
            [sys.executable, "-m", "vera_orchestrator.engine.server_process", str(listener.fileno())],
            env={
                "PATH": os.defpath,
                "PYTHONPATH": str(ROOT),
                "PREFECT_HOME": str(folder),
                "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
                "PREFECT_SERVER_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{folder / 'prefect.db'}",
                "PREFECT_SERVER_UI_ENABLED": "false",
            },
            stdin=subprocess.PIPE,
            pass_fds=[listener.fileno()],
        )
        watch = Watch(process.pid)
        api_url = f"http://127.0.0.1:{listener.getsockname()[1]}/api"
        assert httpx.get(f"{api_url}/health", timeout=180, trust_env=False).is_success  # waits until it is up
        yield api_url
    process.communicate()
    assert watch.has_ended(within=60)


def test_it_names_what_is_missing_and_how_to_set_it() -> None:
    text = advice("http://me:pass-word@prefect.internal:4200/api", OPEN)
    assert "prefect.internal:4200" in text
    assert all(name in text for name in (*NEEDED, *AGAINST_PAGES))
    assert "pass-word" not in text


def test_it_names_nothing_that_is_set() -> None:
    text = advice("http://prefect.internal:4200/api", CLOSED)
    assert all(name in text for name in NEEDED)
    assert not any(name in text for name in AGAINST_PAGES)


async def test_a_server_that_cannot_be_asked_is_not_judged() -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))  # nobody listens there
        assert await advice_for(f"http://127.0.0.1:{reserved.getsockname()[1]}/api") is None


async def test_one_warning_is_given_and_kept_in_the_status(
    unprotected: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "vera_orchestrator")
    with temporary_settings(updates={prefect.settings.PREFECT_API_URL: unprotected}):
        orchestrator = recorded(tmp_path / "state", Scripted(), prefect="auto")
        await soon(orchestrator.start())
        await next_host(orchestrator)
        await until(lambda: orchestrator.engine.status.advice)
        shown = orchestrator.get_status()["prefect"]["advice"]
        await soon(orchestrator.stop())
    assert all(name in shown for name in (*NEEDED, *AGAINST_PAGES))
    assert [record.message for record in caplog.records if "authentication" in record.message] == [shown]
