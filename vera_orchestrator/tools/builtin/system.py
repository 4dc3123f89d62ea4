"""The machine."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

MEMINFO = Path("/proc/meminfo")


def system_info() -> dict[str, Any]:
    """Return operating system, Python, processors, memory in MiB and load averages of the orchestrator's machine."""
    return {
        "os": platform.system(),
        "os_release": platform.release(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "cpus": os.cpu_count(),
        "cpus_usable": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_mb": _memory_mb("MemTotal"),
        "memory_available_mb": _memory_mb("MemAvailable"),
        "load": list(os.getloadavg()) if hasattr(os, "getloadavg") else None,
    }


def _memory_mb(name: str) -> int | None:
    """Return a figure of /proc/meminfo in MiB; None where there is no such file, as outside Linux."""
    if not MEMINFO.exists():
        return None
    for line in MEMINFO.read_text().splitlines():
        key, _, rest = line.partition(":")
        if key == name:
            return int(rest.split()[0]) // 1024
    return None


TOOLS = (system_info,)
