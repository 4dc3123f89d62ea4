"""Orchestration of AI agents' tasks on Prefect: routing, limits, durable batches."""
