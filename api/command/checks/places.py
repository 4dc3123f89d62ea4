"""The state folder, the disk and the port."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from api.command.checks.finding import Finding, broken, fine, missing
from api.command.options import DEFAULT_PORT
from api.command.ports import holder_of, is_taken
from api.command.record import ServerFile

MEGABYTE = 1_000_000
LITTLE_DISK = 1_000 * MEGABYTE
NO_DISK = 100 * MEGABYTE


def home(folder: Path) -> Finding:
    """Look at the state folder: whose it is, who can read it, and whether it can be written."""
    name = "State folder"
    if not folder.exists():
        above = next(parent for parent in folder.parents if parent.exists())
        if not os.access(above, os.W_OK):
            return broken(name, f"{folder} cannot be made in {above}.", "Set VERA_HOME to a folder of yours.")
        return fine(name, f"{folder} will be made by vera up")
    found = folder.stat()
    if not folder.is_dir():
        return broken(name, f"{folder} is no folder.", "Move it away, or set VERA_HOME to another folder.")
    if found.st_uid != os.geteuid():
        return broken(name, f"{folder} belongs to another account.", "Set VERA_HOME to a folder of yours.")
    if not os.access(folder, os.W_OK | os.X_OK):
        return broken(name, f"{folder} cannot be written.", f"Run: chmod 700 {folder}")
    if stat.S_IMODE(found.st_mode) & 0o077:
        return broken(name, f"others can look into {folder}, where keys are.", f"Run: chmod 700 {folder}")
    return fine(name, f"{folder}, closed to others")


def disk(folder: Path) -> Finding:
    """Look at the free space where the state is kept."""
    place = next(one for one in (folder, *folder.parents) if one.exists())
    free = shutil.disk_usage(place).free
    words = f"{free / 1_000 / MEGABYTE:,.1f} GB free at {place}"
    remedy = "Free some space, or set VERA_HOME to a larger disk; VERA_RETENTION_DAYS keeps less."
    if free < NO_DISK:
        return broken("Disk", f"{words}: the journal will soon have no room.", remedy)
    if free < LITTLE_DISK:
        return missing("Disk", f"{words}, which is little.", remedy)
    return fine("Disk", words)


def server(folder: Path, port: int = DEFAULT_PORT) -> Iterator[Finding]:
    """Look whether a server runs on the state folder, and whether the usual port is free."""
    record = ServerFile(folder).living()
    if record is None:
        yield missing("Server", "none runs on this state folder.", "Start it with: vera up")
    else:
        yield fine("Server", f"{record.url} (pid {record.pid})")
        if urlsplit(record.url).port == port:
            return
    if is_taken(port):
        holder = holder_of(port) or "somebody"
        yield missing(f"Port {port}", f"taken by {holder}.", "End that, or use another port: vera up --port 8001")
    else:
        yield fine(f"Port {port}", "free")
