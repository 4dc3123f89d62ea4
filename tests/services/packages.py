"""The Debian packages of the services."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path

from tests.services.errors import ServiceFailed, tail
from tests.services.postgres import binaries

POLICY = Path("/usr/sbin/policy-rc.d")
MARK = "# vera tests.services"
LOCKED = "Could not get lock"
LOCK_SECONDS, LISTS_SECONDS, AGAIN_SECONDS = 120, 60, 2
PACKAGES = {
    "bwrap": ("bubblewrap",),
    "chromium": ("chromium",),
    "curl": ("curl",),
    "initdb": ("postgresql",),
    "redis-server": ("redis-server",),
    "dockerd": ("docker.io", "containerd", "runc", "iptables"),
}

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
"""The programs that do where Chromium is asked for."""


def packages_missing(programs: Iterable[str]) -> list[str]:
    """Return the packages of those programs that are not installed."""
    return [package for program in programs if not _is_installed(program) for package in PACKAGES[program]]


def install(packages: list[str], log: Path) -> None:
    """Install packages, and start none of their services; needs root and apt. What apt says goes into the log."""
    command = f"apt-get install --no-install-recommends {' '.join(packages)}"
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise ServiceFailed(f"not installed, and this is not root on Debian. Install it with: {command}")
    said = update_lists()  # a failure is forgiven if the lists at hand will do
    with _services_stay_down():
        ended = _apt("install", "-q", "-y", "--no-install-recommends", *packages)
    log.write_text(f"{said}{ended.stdout}")
    if ended.returncode != 0:
        raise ServiceFailed(f"{command} failed; {log} ends with:\n{tail(log)}")


def update_lists() -> str:
    """Let apt learn what there is, and wait while somebody else does; return what it says. Needs root."""
    deadline = time.monotonic() + LISTS_SECONDS
    while True:
        ended = _apt("update", "-q")
        if ended.returncode == 0 or LOCKED not in ended.stdout or time.monotonic() > deadline:
            return ended.stdout
        time.sleep(AGAIN_SECONDS)


def _apt(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["apt-get", "-o", f"DPkg::Lock::Timeout={LOCK_SECONDS}", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"},
        text=True,
        errors="replace",
        check=False,
    )


def browser_program() -> str | None:
    """Return where a browser is that tests can drive, or None."""
    return next((found for name in BROWSERS if (found := shutil.which(name))), None)


def _is_installed(program: str) -> bool:
    if program == "chromium":
        return browser_program() is not None
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
    if POLICY.exists() and MARK not in POLICY.read_text(errors="replace"):  # ours may be left of a killed command
        yield
        return
    draft = POLICY.with_name(f"{POLICY.name}.vera-{os.getpid()}")
    try:
        draft.touch(mode=0o755)
        draft.write_text(f"#!/bin/sh\n{MARK}\nexit 101\n")
        draft.replace(POLICY)
        yield
    finally:
        draft.unlink(missing_ok=True)
        POLICY.unlink(missing_ok=True)
