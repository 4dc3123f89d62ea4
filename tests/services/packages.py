"""The Debian packages of the services."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path

from tests.services.errors import ServiceFailed, tail
from tests.services.postgres import binaries

POLICY = Path("/usr/sbin/policy-rc.d")
PACKAGES = {
    "bwrap": ("bubblewrap",),
    "initdb": ("postgresql",),
    "redis-server": ("redis-server",),
    "dockerd": ("docker.io", "containerd", "runc", "iptables"),
}


def packages_missing(programs: Iterable[str]) -> list[str]:
    """Return the packages of those programs that are not installed."""
    return [package for program in programs if not _is_installed(program) for package in PACKAGES[program]]


def install(packages: list[str], log: Path) -> None:
    """Install packages, and start none of their services; needs root and apt. What apt says goes into the log."""
    command = f"apt-get install --no-install-recommends {' '.join(packages)}"
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise ServiceFailed(f"not installed, and this is not root on Debian. Install it with: {command}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with log.open("wb") as output, _services_stay_down():
        for arguments in (["update", "-q"], ["install", "-q", "-y", "--no-install-recommends", *packages]):
            ended = subprocess.run(
                ["apt-get", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                check=False,
            )
    if ended.returncode != 0:  # a failed update is forgiven if the lists at hand will do
        raise ServiceFailed(f"{command} failed; {log} ends with:\n{tail(log)}")


def _is_installed(program: str) -> bool:
    if program == "initdb":
        try:
            binaries()
        except ServiceFailed:
            return False
        return True
    return shutil.which(program) is not None


@contextmanager
def _services_stay_down() -> Generator[None]:
    """Keep packages from starting their servers at the usual ports: Debian asks this file, if it is there."""
    if POLICY.exists():
        yield
        return
    POLICY.touch(mode=0o755)
    try:
        POLICY.write_text("#!/bin/sh\nexit 101\n")
        yield
    finally:
        POLICY.unlink()
