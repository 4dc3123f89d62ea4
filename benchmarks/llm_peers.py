"""The stations of the benchmark of language models: straight to llama.cpp, by LiteLLM's proxy, and this project."""

from __future__ import annotations

import json
import secrets
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx

from benchmarks.children import Child, ChildFailed, clean_environment, free_port
from benchmarks.environments import environment_python
from benchmarks.llm_load import KEY, MODEL, PER_MINUTE, PLENTY, SLOTS
from benchmarks.prefect_peer import PrefectServer
from benchmarks.station import Station

START_SECONDS = 120
CHAT = "/chat/completions"
# what LiteLLM would fetch or send by itself
AT_HOME = {
    "DISABLE_ADMIN_UI": "True",
    "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",
    "LITELLM_LOCAL_AUTOROUTER_PRESETS": "True",
    "LITELLM_LOCAL_BLOG_POSTS": "True",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_LOCAL_POLICY_TEMPLATES": "True",
    "LITELLM_TELEMETRY": "False",
}
# what LiteLLM's guide for production says; its environment must not name a database or the keys of the caller
FASTEST = {"LITELLM_LOG": "ERROR", "LITELLM_MODE": "PRODUCTION"}
FOREIGN = ("LITELLM_", "OPENAI_", "DATABASE_", "REDIS_", "OTEL_", "LANGFUSE_")


def open_llama(stack: ExitStack, folder: Path, slots: int) -> tuple[Child, str]:
    """Start llama.cpp's server, which works on so many requests at a time; return it and the address of its API."""
    port = free_port()
    settings = {
        "BENCH_LLAMA_PORT": str(port),
        "BENCH_LLAMA_MODEL": str(folder / "tiny.gguf"),
        "BENCH_LLAMA_SLOTS": str(slots),
    }
    llama = Child(
        "llama.cpp",
        [sys.executable, "-m", "benchmarks.llm_server"],
        log=folder / "llama.log",
        environment=clean_environment(settings),
    )
    stack.callback(llama.stop)
    wait_ready(llama, f"http://127.0.0.1:{port}/health")
    return llama, f"http://127.0.0.1:{port}/v1"


def open_direct(stack: ExitStack, folder: Path, url: str) -> Station:
    """Start the client before the server itself."""
    return open_client(stack, folder, "direct", url + CHAT)


def open_litellm(stack: ExitStack, folder: Path, url: str) -> Station:
    """Start LiteLLM's proxy in an environment of its own, and the client before it."""
    port, config = free_port(), folder / "litellm.yaml"
    config.write_text(json.dumps(litellm_config(url)))  # JSON is YAML
    python = environment_python("litellm")
    key = f"sk-{secrets.token_hex(16)}"  # it does not start without one
    inherited = {name: value for name, value in clean_environment().items() if not name.startswith(FOREIGN)}
    proxy = Child(
        "LiteLLM's proxy",
        [
            *(str(python.with_name("litellm")), "--config", str(config), "--host", "127.0.0.1", "--port", str(port)),
            *("--num_workers", "1"),
        ],
        log=folder / "litellm.log",
        environment={**inherited, **AT_HOME, **FASTEST, "LITELLM_MASTER_KEY": key},
    )
    stack.callback(proxy.stop)
    wait_ready(proxy, f"http://127.0.0.1:{port}/health/liveliness")
    return open_client(stack, folder, "litellm", f"http://127.0.0.1:{port}/v1{CHAT}", proxy, key=key)


def litellm_config(url: str) -> dict[str, object]:
    """Return the proxy's settings: one model, no retries, nothing kept and nothing logged."""
    return {
        "model_list": [
            {"model_name": MODEL, "litellm_params": {"model": f"openai/{MODEL}", "api_base": url, "api_key": KEY}}
        ],
        "litellm_settings": {"num_retries": 0, "set_verbose": False, "telemetry": False},
        "router_settings": {"num_retries": 0},
        "general_settings": {"disable_spend_logs": True, "disable_error_logs": True},
    }


def open_ours(stack: ExitStack, folder: Path, url: str, server: PrefectServer) -> Station:
    """Start `vera up`, which records in a Prefect server that runs, and the client before it."""
    port = free_port()
    settings = {"VERA_HOME": str(folder / "rest-home"), "VERA_MAX_CONCURRENT_TASKS": str(SLOTS)}
    settings |= {"VERA_LLM_KEYS_FROM_ENVIRONMENT": "false"}
    up = Child(
        "vera up",
        [sys.executable, "-m", "api.command", "up", "--port", str(port)],
        log=folder / "vera.log",
        environment={**server.environment, **settings},
    )
    stack.callback(up.stop)
    address = f"http://127.0.0.1:{port}/api/v2/orchestrator"
    wait_ready(up, f"{address}/health")
    worker = {
        "api_type": "openai",
        "api_key": KEY,
        "base_url": url,
        "default_model": MODEL,
        "rate_limit_per_minute": PER_MINUTE,
        "quota_requests_per_day": PLENTY,
        "quota_tokens_per_day": PLENTY,
    }
    _answer(httpx.post(f"{address}/workers/llm-api/register", json=worker, trust_env=False, timeout=START_SECONDS))
    key = _answer(httpx.post(f"{address}/keys", json={"name": "bench"}, trust_env=False))["key"]
    return open_client(stack, folder, "ours", f"{address}/llm/request", up, server.child, key=key, form="llm-request")


def open_in_process(stack: ExitStack, folder: Path, url: str, server: PrefectServer) -> Station:
    """Start an orchestrator inside the program that asks, which records in a Prefect server that runs."""
    driver = Child(
        "ours in the process",
        [sys.executable, "-m", "benchmarks.llm_driver"],
        log=folder / "in-process.log",
        environment={**server.environment, "BENCH_HOME": str(folder / "home"), "BENCH_LLM_URL": url},
        piped=True,
    )
    station = Station("ours in the process", driver, (server.child,))
    stack.callback(station.close)
    station.ask("start", timeout=START_SECONDS)
    return station


def open_client(
    stack: ExitStack, folder: Path, name: str, url: str, *services: Child, key: str = KEY, form: str = "openai"
) -> Station:
    """Start the client before a server; `form` is one of `llm_client.FORMS`."""
    driver = Child(
        f"{name}'s client",
        [sys.executable, "-m", "benchmarks.llm_client"],
        log=folder / f"{name}-client.log",
        environment=clean_environment({"BENCH_LLM_URL": url, "BENCH_LLM_KEY": key, "BENCH_LLM_FORM": form}),
        piped=True,
    )
    station = Station(name, driver, services)
    stack.callback(station.close)
    return station


def _answer(response: httpx.Response) -> dict[str, Any]:
    if not response.is_success:
        raise ChildFailed(f"{response.url} answered {response.status_code}: {response.text}")
    return response.json()


def wait_ready(child: Child, url: str) -> None:
    """Return once an address answers well; raises ChildFailed."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and not child.ended:
        try:
            if httpx.get(url, trust_env=False).is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise child.failed("did not start")
