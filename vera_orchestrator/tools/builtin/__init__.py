"""The tools that every orchestrator has."""

from functools import cache

from vera_orchestrator.tools.builtin import data, files, programs, system, text, time, web
from vera_orchestrator.tools.registry import ToolRegistry

BUILTINS = (*files.TOOLS, *programs.TOOLS, *web.TOOLS, *text.TOOLS, *time.TOOLS, *data.TOOLS, *system.TOOLS)


def register_builtins(registry: ToolRegistry) -> None:
    """Add the built-in tools; raises InvalidValue if one of their names is taken."""
    registry.include(_builtins())


@cache
def _builtins() -> ToolRegistry:
    """Their schemas are made once for all orchestrators of a process."""
    registry = ToolRegistry()
    registry.add_all(BUILTINS)
    return registry
