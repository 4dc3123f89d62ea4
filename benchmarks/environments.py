"""The peers' own Python environments, made by uv from pinned requirements."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.children import ROOT, ChildFailed

BENCH = ROOT / ".bench"
LOCKED = (3, 11)
"""The Python that the peers' requirements are pinned for."""
OWN_UV = ROOT / ".uv" / "bin" / "uv"
"""The one that `make` installs for this project."""


def scratch() -> Path:
    """Return the folder of the benchmarks' own things, which git ignores."""
    BENCH.mkdir(exist_ok=True)
    (BENCH / ".gitignore").write_text("*\n")
    return BENCH


def environment_python(name: str) -> Path:
    """Return the interpreter of the peer's environment, after making it if its requirements are new.

    Raises ChildFailed where uv is missing or cannot install.
    """
    requirements = ROOT / "benchmarks" / "peers" / f"{name}.txt"
    folder = scratch() / name
    python, stamp = folder / "bin" / "python", folder / "requirements.sha256"
    interpreter = base_interpreter()
    digest = hashlib.sha256(requirements.read_bytes() + interpreter.encode()).hexdigest()
    if python.exists() and stamp.exists() and stamp.read_text() == digest:
        return python
    uv = uv_program()
    _run(uv, "venv", "--quiet", "--clear", "--python", interpreter, str(folder))
    _run(uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", str(python), "-r", str(requirements))
    stamp.write_text(digest)
    return python


def base_interpreter() -> str:
    """Return the interpreter that peers run with: this one, as builds of one version differ by a fifth in speed.

    Where it is of another version than the requirements are pinned for, it is the first of that version which uv finds.
    """
    if sys.version_info[:2] != LOCKED:
        return ".".join(map(str, LOCKED))
    return str(Path(sys.base_prefix) / "bin" / "python{}.{}".format(*LOCKED))


def uv_program() -> str:
    """Return the uv to use; raises ChildFailed where there is none."""
    found = os.environ.get("UV") or shutil.which("uv")
    if found is None and OWN_UV.exists():
        return str(OWN_UV)
    if found is None:
        raise ChildFailed("uv is not on PATH. Install it (`make`, or `pip install uv`), or name it in the variable UV.")
    return found


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ChildFailed(f"`{' '.join(command)}` failed:\n{done.stderr.strip()}")
