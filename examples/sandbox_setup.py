"""Makes sure that there is a sandbox, where that is possible."""

from __future__ import annotations

import os
import shutil
import subprocess

from rich.console import Console

INSTALL = "apt-get install bubblewrap"


def has_sandbox(console: Console) -> bool:
    """Return whether bubblewrap is there, after installing it where this process may."""
    if shutil.which("bwrap"):
        return True
    apt = shutil.which("apt-get")
    if apt is None or os.geteuid() != 0:
        return False
    console.print("Installing bubblewrap, the sandbox for code ...")
    for arguments in (["update", "-q"], ["install", "-q", "-y", "--no-install-recommends", "bubblewrap"]):
        done = subprocess.run([apt, *arguments], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            console.print(f"apt-get {arguments[0]} failed: {done.stderr.strip()[-300:]}")
    return shutil.which("bwrap") is not None
