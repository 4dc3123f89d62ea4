"""The specification's program and its requests, as they are written there."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.http.server import free_port

ROOT = Path(__file__).resolve().parents[2]
MAIN = """
from fastapi import FastAPI
from BackgroundCognition.orchestrator.api_integration import register_routes

app = FastAPI()

# Register orchestrator routes
register_routes(app, prefix="/api/v2/orchestrator")
"""
PATIENCE_SECONDS = 90
RUNNING = re.compile(r"Uvicorn running on (http://\S+)")


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of main.py under uvicorn, in a process and a folder of its own."""
    folder = tmp_path_factory.mktemp("program")
    (folder / "main.py").write_text(MAIN)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("VERA_")} | {
        "PYTHONPATH": str(ROOT),
        "VERA_HOME": str(folder / "vera"),
        "VERA_PREFECT": "off",
        "VERA_OLLAMA_URL": f"http://127.0.0.1:{free_port()}",
        "VERA_UNAVAILABLE_WAIT_SECONDS": "0",
    }
    command = [sys.executable, "-m", "uvicorn", "main:app", "--host", "127.0.0.1", "--port", "0"]
    with subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        watchdog = threading.Timer(PATIENCE_SECONDS, server.kill)
        watchdog.start()
        log: list[str] = []
        for line in server.stderr:
            log.append(line)
            if found := RUNNING.search(line):
                break
        else:
            pytest.fail("".join(log))
        yield found[1]
        server.send_signal(signal.SIGINT)
        _, rest = server.communicate()
        watchdog.cancel()
    assert "Application shutdown complete" in rest
    assert "ERROR" not in rest


def test_the_request_for_a_completion_is_answered(address: str) -> None:
    response = httpx.post(
        f"{address}/api/v2/orchestrator/llm/request",
        headers={"Content-Type": "application/json"},
        json={"prompt": "Explain quantum computing", "prefer_ollama": True, "temperature": 0.7},
        timeout=30,
    )
    assert response.status_code == 200
    assert set(response.json()) >= {"success", "response", "error", "metrics"}


def test_the_request_for_a_provider_is_answered(address: str) -> None:
    response = httpx.post(
        f"{address}/api/v2/orchestrator/workers/llm-api/register",
        headers={"Content-Type": "application/json"},
        json={
            "api_type": "openai",
            "api_key": "sk-...",
            "rate_limit_per_minute": 60,
            "cost_per_1k_tokens": 0.002,
            "quota_cost_limit_per_day": 10.0,
            "base_url": f"http://127.0.0.1:{free_port()}/v1",  # never the provider itself
        },
        timeout=30,
    )
    assert response.status_code == 200
    assert response.json()["status"] == "registered"


def test_the_request_for_the_status_is_answered(address: str) -> None:
    response = httpx.get(f"{address}/api/v2/orchestrator/status", timeout=30)
    assert response.status_code == 200
    assert response.json()["is_running"] is True
