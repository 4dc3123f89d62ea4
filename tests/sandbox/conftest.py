from __future__ import annotations

import pytest

from tests.sandbox.support import ready
from vera_orchestrator.sandbox import Sandbox


@pytest.fixture
async def sandbox() -> Sandbox:
    return await ready(Sandbox())
