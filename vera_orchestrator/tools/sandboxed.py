"""Programs in the sandbox, with the workspace as their folder.

Inside, the workspace has the path that it has outside: what a program prints about files then holds for both.
"""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

from vera_orchestrator.errors import InvalidPayload, ResultTooLarge, ToolFailed
from vera_orchestrator.sandbox import Ending, SandboxOutcome, SandboxProgram
from vera_orchestrator.tools.context import ToolContext

# The files of a program are in its HOME, wherever that is; it starts in the workspace.
RUN_FILE = ("/bin/sh", "-c", 'exec "$@" "$HOME/main"', "sh")
HELPER_OUTPUT_BYTES = 32 * 1024 * 1024
STDERR_TAIL = 500


async def python_of(context: ToolContext) -> str:
    """Return the Python to run inside; raises NotConfigured where there is no sandbox."""
    missing = await context.sandbox.probe()
    if missing is not None:
        raise missing
    return str(context.sandbox.python)


async def run_program(
    context: ToolContext,
    argv: tuple[str, ...],
    *,
    code: str | None = None,
    environment: dict[str, str] | None = None,
) -> dict[str, Any]:
    """Run a program that may change the workspace, and return exit_code, stdout, stderr and truncated_bytes.

    `code` becomes a file that is its last argument. It has the limits of the settings and no network. Raises
    ToolFailed, with the same values as its data, unless it exits with 0, and NotConfigured where there is no sandbox.
    """
    root = context.workspace
    outcome = await context.sandbox.run(
        SandboxProgram(
            argv=argv if code is None else (*RUN_FILE, *argv),
            files={} if code is None else {"main": code},
            environment=environment or {},
            writable=(root, str(root)),
            folder=str(root),
            memory_mb=context.settings.sandbox_memory_mb,
            processes=context.settings.sandbox_processes,
            output_bytes=context.settings.sandbox_output_bytes,
        )
    )
    told = {
        "exit_code": outcome.exit_code,
        "stdout": outcome.stdout,
        "stderr": outcome.stderr,
        "truncated_bytes": outcome.dropped,
    }
    if outcome.exit_code != 0 or outcome.ending is not Ending.EXITED:
        raise ToolFailed(_reason(outcome), data=told)
    return told


async def ask_helper(
    context: ToolContext,
    name: str,
    request: dict[str, Any],
    *,
    seconds: float,
    remedy: str,
    root: Path | None = None,
) -> Any:
    """Run the program `inside/NAME.py` on a request, with `root` to be read, and return its answer's value.

    Raises InvalidPayload for an input that the program refuses, ToolFailed, with the remedy, where it needs more than
    `seconds` or memory, and NotConfigured where there is no sandbox.
    """
    outcome = await context.sandbox.run(
        SandboxProgram(
            argv=(await python_of(context), "-I", "-S", "main.py"),
            stdin=json.dumps(request),
            files={"main.py": _source(name)},
            read_only={root: str(root)} if root else {},
            memory_mb=context.settings.sandbox_memory_mb,
            processes=context.settings.sandbox_processes,
            output_bytes=HELPER_OUTPUT_BYTES,
            timeout=seconds,
        )
    )
    if outcome.timed_out:
        raise ToolFailed(f"It took longer than {seconds:g} seconds.", remedy=remedy)
    if outcome.exit_code != 0 or outcome.ending is not Ending.EXITED:
        raise ToolFailed(_reason(outcome), remedy=remedy)
    if outcome.stdout_dropped:
        raise ResultTooLarge(f"The result is larger than {HELPER_OUTPUT_BYTES} bytes.", remedy=remedy)
    answer = json.loads(outcome.stdout)
    if "error" in answer:
        raise InvalidPayload(answer["error"], field=f"payload.tool_input.{answer['field']}", remedy=remedy)
    return answer["value"]


def _source(name: str) -> str:
    return files("vera_orchestrator.tools.inside").joinpath(f"{name}.py").read_text("utf-8")


def _reason(outcome: SandboxOutcome) -> str:
    """Return in one text why a program failed, with the end of what it wrote to stderr."""
    reason = f"exit code {outcome.exit_code}"
    if outcome.ending is not Ending.EXITED:
        reason = f"{outcome.ending.replace('_', ' ')}, {reason}"
    tail = outcome.stderr.strip()[-STDERR_TAIL:]
    return f"{reason}: {tail}" if tail else f"{reason}."
