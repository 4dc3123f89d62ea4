"""What is loaded with the tests stays, so no collection of garbage needs to walk it."""

from __future__ import annotations

import gc
from collections.abc import Generator

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect no garbage while tests are loaded, and spare from it what they have loaded."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()
