"""The specification's program and its requests, as they are written there."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

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

# Start server
# uvicorn main:app --host 0.0.0.0 --port 8000
"""
FENCE = """
import socket

_getaddrinfo = socket.getaddrinfo


def getaddrinfo(host, *given, **named):
    if host not in (None, "", "localhost", "127.0.0.1", "::1", "0.0.0.0", b"localhost", b"127.0.0.1"):
        raise socket.gaierror(socket.EAI_NONAME, "no provider is asked by this test")
    return _getaddrinfo(host, *given, **named)


socket.getaddrinfo = getaddrinfo
"""
COMPLETION = """
# Submit LLM request
curl -X POST http://localhost:8000/api/v2/orchestrator/llm/request \\
  -H "Content-Type: application/json" \\
  -d '{
    "prompt": "Explain quantum computing",
    "prefer_ollama": true,
    "temperature": 0.7
  }'
"""
PROVIDER = """
# Register OpenAI API
curl -X POST http://localhost:8000/api/v2/orchestrator/workers/llm-api/register \\
  -H "Content-Type: application/json" \\
  -d '{
    "api_type": "openai",
    "api_key": "sk-...",
    "rate_limit_per_minute": 60,
    "cost_per_1k_tokens": 0.002,
    "quota_cost_limit_per_day": 10.0
  }'
"""
STATUS = """
# Get status
curl http://localhost:8000/api/v2/orchestrator/status
"""
ENDPOINTS = """
GET  /api/v2/orchestrator/health            - Health check
GET  /api/v2/orchestrator/status            - Get status
POST /api/v2/orchestrator/tasks/submit      - Submit task (non-blocking)
POST /api/v2/orchestrator/tasks/execute     - Execute task (blocking)
POST /api/v2/orchestrator/llm/request       - LLM request
POST /api/v2/orchestrator/tools/execute     - Tool execution
GET  /api/v2/orchestrator/tasks/history     - Task history
POST /api/v2/orchestrator/workers/llm-api/register - Register LLM API
POST /api/v2/orchestrator/workers/remote/register  - Register remote worker
GET  /api/v2/orchestrator/workers/list      - List workers
GET  /api/v2/orchestrator/resources/stats   - Resource stats
"""
PATIENCE_SECONDS = 180
RUNNING = re.compile(r"Uvicorn running on (http://\S+)")


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of main.py under uvicorn, in a process and a folder of its own."""
    folder = tmp_path_factory.mktemp("program")
    (folder / "main.py").write_text(MAIN)
    (folder / "sitecustomize.py").write_text(FENCE)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("VERA_")} | {
        "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}",
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


def shell(text: str, address: str, folder: Path) -> dict[str, Any]:
    """Run a command as it is written, port 8000 being that of the server, and return the answer."""
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    (folder / ".curlrc").write_text(
        f'silent\nfail-with-body\nconnect-to = "localhost:8000:{urlsplit(address).netloc}"\n'
    )
    environment = {"PATH": os.environ["PATH"], "CURL_HOME": str(folder)}
    done = subprocess.run(
        ["bash", "-c", text], env=environment, capture_output=True, text=True, timeout=180, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def test_the_command_for_a_completion_is_answered(address: str, tmp_path: Path) -> None:
    assert set(shell(COMPLETION, address, tmp_path)) >= {"success", "response", "error", "metrics"}


def test_the_command_for_a_provider_is_answered(address: str, tmp_path: Path) -> None:
    answer = shell(PROVIDER, address, tmp_path)
    assert answer["status"] == "registered"
    workers = httpx.get(f"{address}/api/v2/orchestrator/workers/list", timeout=90).json()["workers"]
    assert answer["worker_id"] in [worker["id"] for worker in workers]


def test_the_command_for_the_status_is_answered(address: str, tmp_path: Path) -> None:
    assert shell(STATUS, address, tmp_path)["is_running"] is True


@pytest.mark.parametrize("line", ENDPOINTS.strip().splitlines())
def test_every_endpoint_is_there_and_has_its_method_only(address: str, line: str) -> None:
    method, path, *_ = line.split()
    answer = httpx.request(method, f"{address}{path}", timeout=90)
    assert answer.status_code == (200 if method == "GET" else 422)
    wrong = httpx.request("PUT", f"{address}{path}", timeout=90)
    assert wrong.status_code == 405
    assert method in wrong.headers["allow"]


@pytest.mark.parametrize("path", ["/api/v2", "/api/v2/orchestrator", "/api/v2/orchestrator/none", "/health", "/v2"])
def test_what_is_not_there_is_not_found(address: str, path: str) -> None:
    assert httpx.get(f"{address}{path}", timeout=90).status_code == 404
