"""Makes sure that the general package names are this distribution's own.

`api`, `tasks`, `flows` and `blocks` are names that a program may use for itself; if it does, Python finds whichever
comes first on its path.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

GENERAL_NAMES = ("api", "blocks", "flows", "tasks")


def check_origin() -> None:
    """Raise ImportError, naming both paths, if a general name leads outside this distribution."""
    root = Path(__file__).resolve().parents[1]
    for name in GENERAL_NAMES:
        spec = importlib.util.find_spec(name)
        found = spec.origin if spec is not None else None
        if found is None or Path(found).resolve().parent != root / name:
            raise ImportError(
                f"vera-orchestrator needs its own package {name!r} at {root / name}, but Python finds "
                f"{found or 'none'} first. Rename yours, or take its folder off the front of sys.path."
            )
