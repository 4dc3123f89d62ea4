"""Working with the page: keys, filters, the form, and texts that would be markup."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from BackgroundCognition.orchestrator import Task
from tests.dashboard.browser import PHONE, Watched, watching
from tests.dashboard.site import Site, site_at
from tests.support import needs, run, soon
from vera_orchestrator.simulator.running import serving
from vera_orchestrator.simulator.settings import SimulatorSettings
from vera_orchestrator.simulator.simulator import Simulator

pytestmark = pytest.mark.asyncio(loop_scope="session")
EVIL = "<img src=x onerror=\"document.title='taken'\"><script>document.title='taken'</script>"


async def ended(site: Site, count: int, **more: str) -> list[str]:
    """Run so many tasks, one after the other; return their ids, the newest first."""
    site.gate.open()
    tasks = [Task(requirements=needs("gated"), tags=[f"n{n}"], payload={"focus": f"number {n}"}) for n in range(count)]
    for task in tasks:
        task.metadata.update(more)
        await run(site.orchestrator, task)
    return [task.id for task in reversed(tasks)]


async def marked(page: Page) -> str | None:
    """Return the id of the task that is marked."""
    return await page.locator("tr.marked a, tr.opened a").first.get_attribute("title")


async def test_everything_in_reach_of_the_keyboard(desk: Watched, site: Site) -> None:
    ids = await ended(site, 4)
    page = await desk.open()
    await page.keyboard.press("/")
    await expect(page.get_by_label("Text, or an id")).to_be_focused()
    await page.keyboard.type("number")
    await expect(page.locator("tbody tr")).to_have_count(4)
    await page.keyboard.type(" 3")
    await expect(page.locator("tbody tr")).to_have_count(1)
    await page.get_by_label("Text, or an id").fill("")
    await page.keyboard.press("Escape")
    await page.keyboard.press("j")
    assert await marked(page) == ids[0]
    await page.keyboard.press("j")
    await page.keyboard.press("j")
    await page.keyboard.press("k")
    assert await marked(page) == ids[1]
    await page.keyboard.press("Enter")
    panel = page.get_by_role("complementary", name="Task")
    await expect(panel).to_contain_text(ids[1])
    await page.keyboard.press("j")
    await expect(panel).to_contain_text(ids[2])
    await page.keyboard.press("Escape")
    await expect(panel).to_have_count(0)
    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_have_count(0)
    await page.keyboard.press("4")
    await expect(page.get_by_role("heading", name="Workers")).to_be_visible()


async def test_single_keys_can_be_switched_off(desk: Watched) -> None:
    page = await desk.open()
    await page.get_by_role("button", name="Help and keys").click()
    await page.get_by_label("Single keys act").uncheck()
    await page.keyboard.press("Escape")
    await page.keyboard.press("4")
    await expect(page.get_by_role("region", name="Queues")).to_be_visible()


async def test_a_list_is_narrowed_and_the_address_holds_how(desk: Watched, site: Site) -> None:
    await ended(site, 3)
    await run(site.orchestrator, Task(requirements=needs("failing")))
    page = await desk.open("/#/tasks")
    await expect(page.locator("tbody tr")).to_have_count(4)
    await page.get_by_label("any status").select_option("failed")
    await expect(page.locator("tbody tr")).to_have_count(1)
    await page.get_by_role("button", name="Clear").click()
    await page.get_by_label("Tag").fill("n1")
    await page.get_by_label("Tag").press("Tab")
    await expect(page.locator("tbody tr")).to_have_count(1)
    await page.reload()
    await expect(page.locator("tbody tr")).to_have_count(1)
    assert "tag=n1" in page.url


async def test_what_is_typed_stays_while_news_come(desk: Watched, site: Site) -> None:
    page = await desk.open("/#/tasks")
    await page.get_by_label("Tag").fill("n")
    await ended(site, 2)
    await expect(page.locator("tbody tr")).to_have_count(2)
    await page.get_by_label("Tag").press("1")
    await page.get_by_label("Tag").press("Tab")
    await expect(page.locator("tbody tr")).to_have_count(1)
    assert "tag=n1" in page.url


async def test_of_a_long_history_a_page_is_shown_and_the_next_on_demand(desk: Watched, site: Site) -> None:
    site.gate.open()
    tasks = [Task(id=f"t{n}", requirements=needs("gated")) for n in range(130)]
    await soon(site.orchestrator.submit_batch(tasks, wait=True))
    page = await desk.open("/#/tasks")
    await expect(page.locator("tbody tr")).to_have_count(100)
    await page.get_by_role("button", name="Older").click()
    await expect(page.locator("tbody tr")).to_have_count(30)
    await page.get_by_role("button", name="Newer").click()
    await expect(page.locator("tbody tr")).to_have_count(100)


async def test_a_list_that_is_held_still_says_how_many_more_came(desk: Watched, site: Site) -> None:
    await ended(site, 1)
    page = await desk.open("/#/tasks")
    await expect(page.locator("tbody tr")).to_have_count(1)
    await page.keyboard.press("p")
    await ended(site, 2)
    await expect(page.get_by_text("2 more since")).to_be_visible()
    await expect(page.locator("tbody tr")).to_have_count(1)
    await page.keyboard.press("p")
    await expect(page.locator("tbody tr")).to_have_count(3)


async def test_the_form_says_what_is_wrong_at_its_field_and_opens_what_it_submitted(desk: Watched, site: Site) -> None:
    desk.forgives = ("422", "400")
    page = await desk.open("/#/submit")
    payload, submit = page.get_by_label("Payload, as JSON"), page.get_by_role("button", name="Submit task")
    await payload.fill('{\n  "prompt": oh\n}')
    await submit.click()
    await expect(page.locator("#payload-wrong")).to_contain_text("not JSON")
    await expect(payload).to_be_focused()
    await payload.fill('{"prompt": 5}')
    await submit.click()
    await expect(page.locator("#payload-wrong")).to_contain_text("prompt")
    await page.get_by_label("Type").select_option("custom")
    await page.get_by_label("Retries at most").fill("-1")
    await submit.click()
    await expect(page.locator("#max_retries-wrong")).to_be_visible()
    await page.get_by_label("Retries at most").fill("0")
    await page.get_by_label("Tags").fill("by hand, twice")
    await page.get_by_role("radio", name="background").check()
    site.gate.open()
    await submit.click()
    panel = page.get_by_role("complementary", name="Task")
    await expect(panel.locator(".bar")).to_contain_text("completed")
    await expect(panel).to_contain_text("by hand")
    await expect(panel).to_contain_text("background")


async def test_a_tool_is_chosen_with_what_it_asks_for(desk: Watched) -> None:
    page = await desk.open("/#/submit")
    await page.get_by_label("Type").select_option("tool_call")
    await page.get_by_label("Tool", exact=True).select_option("hash_text")
    await expect(page.get_by_label("Payload, as JSON")).to_have_value(
        '{\n  "tool_name": "hash_text",\n  "tool_input": {\n    "text": ""\n  }\n}'
    )


async def test_what_would_be_markup_stays_text(desk: Watched, site: Site) -> None:
    site.gate.open()
    task = Task(id=EVIL, payload={"prompt": EVIL}, tags=[EVIL], metadata={EVIL: EVIL}, requirements=needs("gated"))
    await soon(site.orchestrator.submit_batch([task], batch_id=EVIL, name=EVIL, wait=True))
    page = await desk.open("/#/tasks")
    await page.locator("tbody a").first.click()
    await expect(page.get_by_role("complementary").locator("code")).to_have_text(EVIL)
    await page.get_by_role("complementary").get_by_role("link", name=EVIL).first.click()
    await expect(page.locator(".node")).to_have_count(1)
    assert await page.locator("img, #app script").count() == 0
    assert "taken" not in await page.title()


async def test_an_answer_is_shown_as_it_comes(browser: Browser, tmp_path: Path) -> None:
    simulator = Simulator(SimulatorSettings(answers=("one two three four five six seven eight",), token_latency=0.15))
    with serving(simulator) as provider:
        async with (
            site_at(tmp_path, ollama_url=provider.url) as site,
            watching(browser, site.url, scheme="dark", size=PHONE) as watched,
        ):
            page = await watched.open("/#/submit")
            await page.get_by_role("button", name="Submit task").click()
            says = page.get_by_role("log", name="Live output")
            await expect(says).to_contain_text("one two")
            assert "eight" not in await says.inner_text()
            await expect(page.get_by_role("region", name="result")).to_contain_text("seven eight")
