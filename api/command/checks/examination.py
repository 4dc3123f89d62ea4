"""All checks, in the order in which they are told."""

from __future__ import annotations

import asyncio

from api.command.checks import keys, places, programs, software, stores
from api.command.checks.finding import Finding, fine
from vera_orchestrator.errors import InvalidValue
from vera_orchestrator.settings import OrchestratorConfig


async def examine() -> list[Finding]:
    """Return what all checks find, those that wait for somebody at the same time."""
    findings = [software.python(), *software.packages(), software.own_names()]
    try:
        config = OrchestratorConfig()
    except InvalidValue as error:  # nothing else can be looked for in the right place
        return [*findings, keys.settings_broken(f"{error.field}: {error.message}", error.remedy)]
    findings.append(fine("Settings", "they fit together"))
    findings += [places.home(config.home), places.disk(config.home), *places.server(config.home)]
    sandbox, docker, ollama, journal, prefect = await asyncio.gather(
        programs.sandbox(config),
        programs.docker(config),
        programs.ollama(config),
        stores.journal(config),
        _collected(config),
    )
    return [*findings, journal, *prefect, sandbox, docker, *ollama, keys.providers(config), keys.callers(config)]


async def _collected(config: OrchestratorConfig) -> list[Finding]:
    return [finding async for finding in stores.prefect(config)]
