"""Runs programs that nobody vouches for: bubblewrap around them, limits on them, nothing of them left behind."""

from vera_orchestrator.sandbox.runner import Sandbox
from vera_orchestrator.sandbox.values import Ending, SandboxOutcome, SandboxProgram

__all__ = ["Ending", "Sandbox", "SandboxOutcome", "SandboxProgram"]
