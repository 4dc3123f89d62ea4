from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from tests.dashboard.browser import PHONE, Watched, launched, watching
from tests.dashboard.site import Site, site_at
from tests.services.packages import browser_program
from tests.support import PATIENCE

collect_ignore = [] if os.environ.get("VERA_WRITE_PICTURES") else ["test_pictures.py"]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """The browser of the system."""
    path = browser_program()
    if path is None:
        pytest.skip("there is no Chromium: apt-get install chromium")
    expect.set_options(timeout=PATIENCE * 1_000)
    async with launched(path) as found:
        yield found


@pytest_asyncio.fixture(loop_scope="session")
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    """A site of the test's own."""
    async with site_at(tmp_path) as one:
        yield one


@pytest_asyncio.fixture(loop_scope="session")
async def desk(browser: Browser, site: Site) -> AsyncIterator[Watched]:
    """Its page on a desk."""
    async with watching(browser, site.url) as watched:
        yield watched


@pytest_asyncio.fixture(loop_scope="session")
async def phone(browser: Browser, site: Site) -> AsyncIterator[Watched]:
    """Its page on a phone, dark."""
    async with watching(browser, site.url, scheme="dark", size=PHONE, has_touch=True, is_mobile=True) as watched:
        yield watched
