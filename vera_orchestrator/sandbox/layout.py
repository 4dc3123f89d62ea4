"""Which parts of the host a sandbox shows, read-only."""

from __future__ import annotations

import site
import sys
from dataclasses import dataclass
from pathlib import Path

SYSTEM_FOLDERS = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
SYSTEM_FILES = ("/etc/ld.so.cache", "/etc/alternatives")
NETWORK_FILES = ("/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/ssl", "/etc/pki", "/etc/ca-certificates")


@dataclass(frozen=True, kw_only=True)
class Interpreter:
    """A Python outside any virtual environment: its program, the folder it lives in, and its installed packages."""

    program: Path
    prefix: Path
    packages: tuple[Path, ...]


@dataclass(frozen=True, kw_only=True)
class Layout:
    """What is bound at its own path, which names are links, and which folders are covered by an empty one."""

    folders: tuple[Path, ...]
    links: tuple[tuple[str, str], ...]
    covered: tuple[Path, ...]


def interpreters() -> list[Interpreter]:
    """Return this Python without its environment, then the system's; the first may be unreadable to other users."""
    prefix = Path(sys.base_prefix)
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    own = Interpreter(program=prefix / "bin" / name, prefix=prefix, packages=_packages(prefix))
    system = Interpreter(
        program=Path("/usr/bin/python3"), prefix=Path("/usr"), packages=(Path("/usr/lib/python3/dist-packages"),)
    )
    return [python for python in dict.fromkeys((own, system)) if python.program.exists()]


def host_layout(python: Interpreter, hidden: tuple[Path, ...]) -> Layout:
    """Return the layout for this host and a Python; `hidden` folders stay invisible even inside a bound one."""
    folders = [Path("/usr")]
    links: list[tuple[str, str]] = []
    for name in SYSTEM_FOLDERS:
        path = Path("/", name)
        if path.is_symlink():
            links.append((str(path.readlink()), str(path)))
        elif path.is_dir():
            folders.append(path)
    if python.prefix != Path("/") and not python.prefix.is_relative_to("/usr"):
        folders.append(python.prefix)
    covered = tuple(path for path in (*python.packages, *hidden) if path.is_dir() and _is_beneath(path, folders))
    return Layout(folders=tuple(folders), links=tuple(links), covered=covered)


def _packages(prefix: Path) -> tuple[Path, ...]:
    return tuple(Path(folder) for folder in site.getsitepackages([str(prefix)]))


def _is_beneath(path: Path, folders: list[Path]) -> bool:
    return any(path.is_relative_to(folder) for folder in folders)
