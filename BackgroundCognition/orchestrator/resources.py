"""Quotas and what was used of them."""

from vera_orchestrator.models import APIQuota
from vera_orchestrator.resources import APIUsage, LLMAPIPool, ResourceManager

__all__ = ["APIQuota", "APIUsage", "LLMAPIPool", "ResourceManager"]
