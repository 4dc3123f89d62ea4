"""Programs that tasks need: the sandbox, Docker, Ollama."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import httpx

from api.command.checks.finding import Finding, fine, missing
from vera_orchestrator.errors import VeraError
from vera_orchestrator.sandbox import Sandbox
from vera_orchestrator.settings import OrchestratorConfig, SandboxMode

SECONDS = 5.0


async def sandbox(config: OrchestratorConfig) -> Finding:
    """Look whether programs of tasks can be enclosed, by enclosing one."""
    if config.sandbox is SandboxMode.NONE:
        return missing(
            "Sandbox",
            "none: code from tasks runs unprotected, as VERA_SANDBOX=none says.",
            "Take VERA_SANDBOX away, and install bubblewrap.",
        )
    fault = await Sandbox.from_settings(config).probe()
    if fault is not None:
        return missing(
            "Sandbox", f"{fault.message} Tasks with code, and tools that run programs, do not work.", _remedy(fault)
        )
    return fine("Sandbox", "bubblewrap runs programs")


async def docker(config: OrchestratorConfig) -> Finding:
    """Look whether Docker answers and has the image."""
    if config.docker_pool_size == 0:
        return fine("Docker", "not wanted (VERA_DOCKER_POOL_SIZE=0)")
    return await asyncio.to_thread(_docker, config)


def _docker(config: OrchestratorConfig) -> Finding:
    from vera_orchestrator.workers.docker_engine import UNREACHABLE, Containers, missing_image

    try:
        with Containers().connected() as client:
            version = client.version()["Version"]
            images = client.images(name=config.docker_image)
    except VeraError:
        return missing(
            "Docker",
            "it does not answer; docker_task does not work, everything else does.",
            "Install it (https://docs.docker.com/engine/install/) and start it: systemctl start docker; "
            "or set DOCKER_HOST.",
        )
    except UNREACHABLE as error:
        return missing("Docker", f"it answers with an error: {error}.", "See docker info, and restart it.")
    if not images:
        fault = missing_image(config.docker_image)
        return missing("Docker", f"{version} answers. {fault.message}", _remedy(fault))
    return fine("Docker", f"{version} answers, {config.docker_image} is there")


async def ollama(config: OrchestratorConfig) -> Sequence[Finding]:
    """Look whether the Ollama servers answer and have a model."""
    return await asyncio.gather(*(_ollama(url.rstrip("/")) for url in (config.ollama_url, *config.ollama_hosts)))


async def _ollama(url: str) -> Finding:
    try:
        async with httpx.AsyncClient(timeout=SECONDS, trust_env=False) as client:
            answer = await client.get(f"{url}/api/tags")
            names = [model["name"] for model in answer.raise_for_status().json()["models"]]
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError):
        return missing(
            "Ollama",
            f"none answers at {url}.",
            "Install it (https://ollama.com/download) and start it: ollama serve; or set VERA_OLLAMA_URL. "
            "To try without: vera simulate",
        )
    if not names:
        return missing("Ollama", f"{url} answers and has no model.", "Get one: ollama pull llama3.2")
    return fine("Ollama", f"{url} answers with {', '.join(names[:5])}{' ...' if len(names) > 5 else ''}")


def _remedy(error: VeraError) -> str:
    return error.remedy or "See README.md."
