"""Leaves the logging of the program that we are part of as it was.

Importing Prefect's flows configures logging. The loggers of uvicorn and FastAPI lose their handlers, so that a server
falls silent, and the root logger gets one, so that the program's own `logging.basicConfig` would do nothing.
"""

from __future__ import annotations

import importlib
import logging

FOREIGN_LOGGERS = ("", "uvicorn", "uvicorn.access", "uvicorn.asgi", "uvicorn.error", "fastapi")


def import_prefect() -> None:
    """Import Prefect's flows and give the program's loggers back their levels and handlers."""
    loggers = [logging.getLogger(name) for name in FOREIGN_LOGGERS]
    before = [(logger, logger.level, list(logger.handlers), logger.propagate) for logger in loggers]
    importlib.import_module("prefect.main")
    for logger, level, handlers, propagate in before:
        logger.handlers[:] = handlers
        logger.setLevel(level)
        logger.propagate = propagate
