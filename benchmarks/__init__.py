"""Figures of this project beside Celery and raw Prefect, taken in one run on one machine."""
