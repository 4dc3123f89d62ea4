"""The program of the sandbox figure, run by bubblewrap alone with the same isolation, user and interpreter.

Written out here, and not taken from the library, so that the measure does not move with what it measures.
"""

from __future__ import annotations

import shutil
import site
import subprocess
import sys
import time
from pathlib import Path

SYSTEM_FOLDERS = ("/usr", "/bin", "/sbin", "/lib", "/lib64")


def bare_command(code: str) -> list[str]:
    """Return the command line; raises FileNotFoundError where bubblewrap is missing."""
    bwrap = shutil.which("bwrap")
    if bwrap is None:
        raise FileNotFoundError("bwrap is missing. Install it with `apt-get install bubblewrap`.")
    prefix = Path(sys.base_prefix)
    shown = [*SYSTEM_FOLDERS, *([] if prefix.is_relative_to("/usr") else [str(prefix)])]
    packages = [Path(folder) for folder in site.getsitepackages([str(prefix)])]
    python = prefix / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    return [
        *(bwrap, "--unshare-all", "--unshare-user", "--disable-userns", "--die-with-parent", "--new-session"),
        *("--cap-drop", "ALL", "--uid", "65534", "--gid", "65534", "--clearenv"),
        *(word for folder in shown for word in ("--ro-bind-try", folder, folder)),
        *(word for folder in packages if folder.is_dir() for word in ("--tmpfs", str(folder))),
        *("--proc", "/proc", "--dev", "/dev", "--size", "67108864", "--tmpfs", "/tmp", "--chdir", "/tmp"),
        *("--", str(python), "-s", "-B", "-u", "-c", code),
    ]


def bare_times(code: str, count: int) -> list[float]:
    """Run the program `count` times, one after the other; milliseconds."""
    command = bare_command(code)
    times: list[float] = []
    for _ in range(count):
        began = time.perf_counter()
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL, capture_output=True)
        times.append((time.perf_counter() - began) * 1e3)
    return times
