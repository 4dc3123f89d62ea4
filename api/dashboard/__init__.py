"""The page for operators, at `/` of this project's own app."""

from __future__ import annotations

from api.dashboard.serving import add_dashboard

__all__ = ["add_dashboard"]
