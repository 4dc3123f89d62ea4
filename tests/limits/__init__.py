"""Limits and rates hold for all processes together, as their provider sees it."""
