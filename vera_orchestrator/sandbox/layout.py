"""Which parts of the host a sandbox shows, read-only."""

from __future__ import annotations

import site
import sys
from dataclasses import dataclass, replace
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

    def covering(self, paths: tuple[Path, ...]) -> Layout:
        """Return the layout with those of the folders covered, too, that exist by now and would be seen."""
        seen = (path for path in paths if any(path.is_relative_to(folder) for folder in self.folders))
        return replace(self, covered=(*self.covered, *(path for path in seen if path.is_dir())))


def interpreters() -> list[Interpreter]:
    """Return this Python without its environment, then the system's; the first may be unreadable to other users."""
    prefix = Path(sys.base_prefix)
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    own = Interpreter(program=prefix / "bin" / name, prefix=prefix, packages=_packages(prefix))
    system = Interpreter(
        program=Path("/usr/bin/python3"), prefix=Path("/usr"), packages=(Path("/usr/lib/python3/dist-packages"),)
    )
    return [python for python in dict.fromkeys((own, system)) if python.program.exists()]


def host_layout(python: Interpreter) -> Layout:
    """Return the layout for this host and a Python, whose installed packages are covered."""
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
    layout = Layout(folders=tuple(folders), links=tuple(links), covered=())
    return layout.covering(python.packages)


def _packages(prefix: Path) -> tuple[Path, ...]:
    return tuple(Path(folder) for folder in site.getsitepackages([str(prefix)]))
