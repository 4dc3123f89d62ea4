"""What goes wrong: failed tasks, used up quotas, workers and servers that are away."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from BackgroundCognition.orchestrator import APIQuota, Task, WorkerStatus
from tests.dashboard.browser import Watched, watching
from tests.dashboard.site import DISK_FULL, FREE_SPACE, Site, site_at
from tests.llm.stage import asking
from tests.support import needs, run, soon
from vera_orchestrator.simulator.running import serving

pytestmark = pytest.mark.asyncio(loop_scope="session")
KEY = "a-key-of-this-test"


async def test_a_failed_task_says_why_what_helps_and_can_be_tried_again(desk: Watched, site: Site) -> None:
    task = Task(requirements=needs("failing"), payload={"where": "/scratch"})
    await run(site.orchestrator, task)
    page = await desk.open()
    attention = page.get_by_role("region", name="Needs attention")
    await expect(attention).to_contain_text(DISK_FULL)
    await attention.get_by_role("link", name="failed").click()
    panel = page.get_by_role("complementary", name="Task")
    await expect(panel.locator(".error")).to_contain_text(FREE_SPACE)
    await expect(panel.locator(".life")).to_contain_text("waited")
    await expect(panel.locator(".routing")).to_contain_text("failingchosen")
    await expect(panel).to_contain_text('"where": "/scratch"')
    site.failing._behaviour = site.gate._pass  # pyright: ignore[reportPrivateUsage]
    site.gate.open()
    await panel.get_by_role("button", name="Retry").click()
    await expect(panel.locator(".bar")).to_contain_text("completed")


async def test_a_used_up_quota_is_named_with_when_it_is_there_again(browser: Browser, tmp_path: Path) -> None:
    with serving() as provider:
        async with site_at(tmp_path) as site, watching(browser, site.url) as watched:
            quota = APIQuota(requests_per_minute=None, requests_per_hour=None, requests_per_day=1)
            await soon(
                site.orchestrator.register_llm_api(
                    "openai", KEY, base_url=f"{provider.url}/v1", quota=quota, worker_id="models", cost_per_1k_tokens=1
                )
            )
            assert (await run(site.orchestrator, asking())).success
            waiting = await site.submit(asking())
            page = await watched.open()
            await expect(page.get_by_role("region", name="Needs attention")).to_contain_text(
                "Quota used up: models: requests"
            )
            await expect(page.get_by_role("region", name="Quotas")).to_contain_text("used up, anew at")
            await expect(page.get_by_role("region", name="Spend").get_by_role("row", name="openai")).to_be_visible()
            await page.goto(f"{site.url}/#/tasks?task={waiting}")
            await expect(page.get_by_role("complementary").locator(".bar")).to_contain_text("at a limit")


async def test_an_offline_worker_says_why(desk: Watched, site: Site) -> None:
    page = await desk.open("/#/workers")
    worker = page.get_by_role("article", name="gate")
    await expect(worker).to_contain_text("idle")
    site.gate.status, site.gate.status_reason = WorkerStatus.OFFLINE, "node-7 does not answer. Start it."
    site.orchestrator.worker_registry.changed()
    await page.get_by_role("link", name="Overview", exact=True).click()
    await page.get_by_role("link", name="Workers").click()
    await expect(worker).to_contain_text("node-7 does not answer. Start it.")
    await expect(worker).to_contain_text("offline")
    await page.get_by_role("link", name="Overview", exact=True).click()
    attention = page.get_by_role("region", name="Needs attention")
    await expect(attention).to_contain_text("gate is offline")
    site.failing.status, site.failing.status_reason = site.gate.status, site.gate.status_reason
    await page.reload()
    await expect(attention).to_contain_text("gate, failing are offline")


async def test_a_lost_connection_is_told_and_what_happened_meanwhile_is_read_on_return(
    desk: Watched, site: Site
) -> None:
    desk.forgives = ("ERR_CONNECTION_REFUSED", "WebSocket connection", "ERR_EMPTY_RESPONSE", "ERR_CONNECTION_RESET")
    task_id = await site.submit(Task(requirements=needs("gated"), tags=["seen"]))
    page = await desk.open("/#/tasks")
    await expect(page.get_by_role("row", name="running")).to_have_count(1)
    await site.close()
    await expect(page.get_by_role("alert")).to_contain_text("Disconnected since")
    await expect(page.locator(".linkstate")).to_contain_text("lost")
    site.gate.open()
    assert (await soon(site.orchestrator.wait_for(task_id))).success
    later = await site.submit(Task(requirements=needs("gated"), tags=["unseen"]))
    await soon(site.orchestrator.wait_for(later))
    await expect(page.get_by_role("row", name="running")).to_have_count(1)  # it says what it knew
    await site.open()
    await page.get_by_role("button", name="Try now").click()
    await expect(page.locator(".linkstate")).to_have_text("live")
    await expect(page.get_by_role("row", name="completed")).to_have_count(2)
    await expect(page.locator(".band.lost")).to_have_count(0)


async def test_where_a_key_is_needed_it_is_asked_for_and_kept_in_the_tab(browser: Browser, tmp_path: Path) -> None:
    async with (
        site_at(tmp_path, require_key="always", api_key=KEY) as site,
        watching(browser, site.url) as watched,
    ):
        watched.forgives = ("401", "WebSocket connection")
        page = watched.page
        await page.goto(site.url)
        field = page.get_by_label("API key")
        await field.fill("another")
        await field.press("Enter")
        await expect(page.get_by_role("dialog")).to_contain_text("not valid")
        await page.get_by_label("API key").fill(KEY)
        await page.get_by_role("button", name="Use this key").click()
        await expect(page.locator(".linkstate")).to_have_text("live")
        await expect(page.get_by_role("dialog")).to_have_count(0)
        await page.reload()
        await expect(page.locator(".linkstate")).to_have_text("live")
        assert KEY not in page.url
