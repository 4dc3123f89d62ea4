"""The description of the API in a real browser."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, expect

from tests.dashboard.browser import watching
from tests.dashboard.site import Site

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_the_description_comes_whole_from_this_server(browser: Browser, site: Site) -> None:
    async with watching(browser, site.url) as watched:
        await watched.page.goto(f"{site.url}/docs")
        await expect(watched.page.get_by_text("/tasks/submit", exact=False).first).to_be_visible()
        watched.check()
