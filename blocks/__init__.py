"""Prefect blocks: configuration that builds workers."""
