"""Tools that other installed packages bring along."""

from __future__ import annotations

import logging
from importlib.metadata import entry_points

from vera_orchestrator.tools.registry import ToolRegistry

ENTRY_POINT_GROUP = "vera_orchestrator.tools"

log = logging.getLogger(__name__)


def register_entry_points(registry: ToolRegistry) -> list[str]:
    """Register the tools of every installed package that offers some; returns the names of the entry points used.

    An entry point of the group `vera_orchestrator.tools` is a function that takes a registry and registers its tools:

    ```
    [project.entry-points."vera_orchestrator.tools"]
    images = "my_package.tools:register"
    ```

    One that cannot be imported, raises, or brings a name that is taken is logged and left out as a whole.
    """
    used: list[str] = []
    for point in sorted(entry_points(group=ENTRY_POINT_GROUP), key=lambda point: (point.name, point.value)):
        own = ToolRegistry()
        try:
            point.load()(own)
            registry.include(own)
        except Exception:  # foreign code may raise anything, and must not stop the orchestrator
            log.exception("The tools of the entry point %s = %s are left out.", point.name, point.value)
        else:
            used.append(point.name)
    return used
