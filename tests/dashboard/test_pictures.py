"""The pictures of the page that README shows; `make pictures` writes them to docs/, and takes two minutes."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from tests.dashboard.browser import PHONE, watching
from tests.dashboard.busy_day import busy_site

pytestmark = pytest.mark.asyncio(loop_scope="session")
DOCS = Path(__file__).parents[2] / "docs"
SECONDS, WHILE_IT_RUNS = 90, 11


async def test_pictures(browser: Browser, tmp_path: Path) -> None:
    DOCS.mkdir(exist_ok=True)
    async with (
        busy_site(tmp_path) as (site, day),
        watching(browser, site.url, device_scale_factor=1.5) as light,
        watching(browser, site.url, scheme="dark", device_scale_factor=1.5) as dark,
        watching(browser, site.url, size=PHONE, device_scale_factor=2, is_mobile=True) as phone,
    ):
        for watched in (light, dark, phone):
            await watched.open()
        await day.night(fails=True)
        await day.go_on(SECONDS)
        batch_id = await day.night()
        await day.go_on(WHILE_IT_RUNS)
        await light.page.screenshot(path=DOCS / "dashboard.png")
        await phone.page.screenshot(path=DOCS / "dashboard-phone.png")
        await dark.page.goto(f"{site.url}/#/batches/{batch_id}?task=join")
        await expect(dark.page.locator(".node.is-open")).to_be_visible()
        await expect(dark.page.locator(".panel .facts")).to_be_visible()
        await dark.page.screenshot(path=DOCS / "dashboard-dark.png")
