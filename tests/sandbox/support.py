"""A real sandbox, or a clear word on why there is none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from vera_orchestrator.sandbox import Sandbox, SandboxOutcome, SandboxProgram


async def ready(sandbox: Sandbox) -> Sandbox:
    """Return the sandbox if it works; skip the test otherwise, or fail it in CI."""
    missing = await sandbox.probe()
    if missing is None:
        return sandbox
    if os.environ.get("CI"):
        pytest.fail(str(missing))
    pytest.skip(str(missing))


async def python(sandbox: Sandbox, code: str, **use: object) -> SandboxOutcome:
    """Run Python code; keywords are those of SandboxProgram."""
    files: dict[str, str | bytes] = {"main.py": code}
    values = {"timeout": 60.0, "files": files} | use
    argv = (str(sandbox.python), "-u", "main.py")
    return await sandbox.run(SandboxProgram(argv=argv, **values))  # pyright: ignore[reportArgumentType]


async def bash(sandbox: Sandbox, script: str, **use: object) -> SandboxOutcome:
    """Run a bash script; keywords are those of SandboxProgram."""
    values = {"timeout": 60.0} | use
    return await sandbox.run(SandboxProgram(argv=("/bin/bash", "-c", script), **values))  # pyright: ignore[reportArgumentType]


def processes_with(marker: str) -> list[int]:
    """Return the ids of the processes of this host whose command line or environment has the marker."""
    wanted, found = marker.encode(), list[int]()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if wanted in (folder / "cmdline").read_bytes() or wanted in (folder / "environ").read_bytes():
                found.append(int(folder.name))
        except OSError:  # it ended meanwhile, or is another user's
            continue
    return [pid for pid in found if pid != os.getpid()]
