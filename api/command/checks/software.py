"""Python and the packages."""

from __future__ import annotations

import platform
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version

from api.command.checks.finding import Finding, broken, fine
from vera_orchestrator.origin import GENERAL_NAMES, check_origin

OLDEST_PYTHON = (3, 11)
DISTRIBUTION = "vera-orchestrator"
Versions = Callable[[str], str]


@dataclass(frozen=True, kw_only=True)
class Clash:
    """Versions of a package that do not work here: all from `first_bad` on, and why."""

    package: str
    first_bad: tuple[int, ...]
    why: str

    @property
    def limit(self) -> str:
        """The first version that does not work, as it is written."""
        return ".".join(str(part) for part in self.first_bad)


CLASHES = (
    Clash(package="fastapi", first_bad=(0, 151), why="Prefect's server cannot be imported with it"),
    Clash(package="prefect", first_bad=(3, 9), why="its engine has not been tried with it"),
)


def python(found: tuple[int, ...] = sys.version_info[:3]) -> Finding:
    """Look at the version of Python."""
    words = f"{'.'.join(str(part) for part in found)} at {sys.executable} on {platform.system()} {platform.machine()}"
    if found < OLDEST_PYTHON:
        oldest = ".".join(str(part) for part in OLDEST_PYTHON)
        return broken("Python", words, f"Install Python {oldest} or newer, and make the environment with it.")
    return fine("Python", words)


def packages(installed: Versions = version) -> Iterator[Finding]:
    """Look for versions that are known to clash, and for packages that are not there."""
    for clash in CLASHES:
        try:
            found = installed(clash.package)
        except PackageNotFoundError:
            continue  # told with the others that are not there
        if release_of(found) >= clash.first_bad:
            remedy = f"pip install '{clash.package}<{clash.limit}'"
            yield broken(clash.package, f"{found}: {clash.why}.", f"Run: {remedy}")
        else:
            yield fine(clash.package, f"{found} (below {clash.limit}, where it would not work)")
    gone = [name for name in required() if not _is_there(name, installed)]
    if gone:
        yield broken("Packages", f"not installed: {', '.join(gone)}.", f"Run: pip install {' '.join(gone)}")
    else:
        yield fine("Packages", "all there")


def own_names() -> Finding:
    """Look whether other packages hide ours, whose names are general."""
    try:
        check_origin()
    except ImportError as error:
        return broken("Package names", f"{error}", "Start vera in another folder, or rename your module.")
    return fine("Package names", f"{', '.join(GENERAL_NAMES)} are this project's own")


def release_of(text: str) -> tuple[int, ...]:
    """Return the numbers that a version begins with."""
    return tuple(int(part) for part in re.match(r"\d+(?:\.\d+)*", text)[0].split("."))  # type: ignore[index]


def required() -> list[str]:
    """Return the packages that this distribution needs; none where it is not installed as one."""
    try:
        lines = requires(DISTRIBUTION) or []
    except PackageNotFoundError:
        return []
    return [re.split(r"[^\w.-]", line, maxsplit=1)[0] for line in lines if "extra ==" not in line]


def _is_there(name: str, installed: Versions) -> bool:
    try:
        installed(name)
    except PackageNotFoundError:
        return False
    return True
