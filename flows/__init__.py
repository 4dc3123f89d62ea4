"""Prefect flows: one task, one batch, background cognition, maintenance."""
