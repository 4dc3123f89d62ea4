"""Typed Python functions that tasks can call.

An orchestrator holds its registry as `orchestrator.tools`; a function becomes a tool with `@orchestrator.tools.tool`.
"""

from vera_orchestrator.tools.builtin import register_builtins
from vera_orchestrator.tools.context import ToolContext
from vera_orchestrator.tools.discovery import ENTRY_POINT_GROUP, register_entry_points
from vera_orchestrator.tools.registry import ToolRegistry

__all__ = ["ENTRY_POINT_GROUP", "ToolContext", "ToolRegistry", "register_builtins", "register_entry_points"]
