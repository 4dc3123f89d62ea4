"""Every view, in light and dark, on a desk and on a phone: for everybody, and at one with itself."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, Page, expect

from BackgroundCognition.orchestrator import Task, WorkerStatus
from tests.dashboard.browser import PHONE, WIDE, Scheme, Watched, violations, watching
from tests.dashboard.site import Site
from tests.support import needs, run, soon

pytestmark = pytest.mark.asyncio(loop_scope="session")
VIEWS = ("/#/", "/#/tasks", "/#/batches", "/#/batches/night", "/#/workers?worker=gate", "/#/submit")


async def full(site: Site) -> str:
    """Let there be something of everything; return the id of a task that failed."""
    failed = Task(requirements=needs("failing"), tags=["night", "scratch"], payload={"prompt": "long " * 2_000})
    await run(site.orchestrator, failed)
    gated = needs("gated")
    tasks = [Task(id=f"part-{n}", requirements=gated) for n in range(3)]
    whole = Task(id="whole", depends_on=[task.id for task in tasks], requirements=gated)
    broken = Task(id="broken", requirements=needs("failing"))
    await soon(site.orchestrator.submit_batch([*tasks, whole, broken], batch_id="night"))
    site.failing.status, site.failing.status_reason = WorkerStatus.ERROR, "node-7 does not answer. Start it."
    return failed.id


async def fits(page: Page) -> bool:
    """Return whether nothing makes the page wider than its window."""
    return await page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize(("scheme", "size"), [("light", WIDE), ("dark", WIDE), ("light", PHONE), ("dark", PHONE)])
async def test_every_view_is_accessible_and_fits(
    browser: Browser, site: Site, scheme: Scheme, size: dict[str, int]
) -> None:
    failed = await full(site)
    only_colours = (scheme == "dark") == (size is WIDE)  # the markup is the same as in the other two
    async with watching(browser, site.url, scheme=scheme, size=size, reduced_motion="reduce") as watched:
        page = await watched.open()
        for view in (*VIEWS, f"/#/tasks?task={failed}"):
            await page.goto(site.url + view)
            await expect(page.locator("main h1")).to_be_attached()
            await expect(page.locator("main").get_by_text("reading", exact=True)).to_have_count(0)
            if "task=" in view:
                await expect(page.locator(".panel .error")).to_be_visible()
            assert await violations(page, only_colours=only_colours) == [], view
            assert await fits(page), view
        await page.get_by_role("button", name="Close").click()
        await page.get_by_role("button", name="Help and keys").click()
        assert await violations(page) == []


async def test_the_theme_follows_the_system_until_one_is_chosen(desk: Watched) -> None:
    page = await desk.open()
    paper = "getComputedStyle(document.body).backgroundColor"
    light = await page.evaluate(paper)
    await page.emulate_media(color_scheme="dark")
    assert await page.evaluate(paper) != light
    await page.get_by_role("button", name="Colours: auto").click()
    assert await page.evaluate(paper) == light
    await page.reload()
    assert await page.evaluate(paper) == light
    await page.get_by_role("button", name="Colours: light").click()
    assert await page.evaluate(paper) != light


async def test_on_a_phone_a_task_takes_the_page_and_gives_it_back(phone: Watched, site: Site) -> None:
    await run(site.orchestrator, Task(requirements=needs("failing")))
    page = await phone.open("/#/tasks")
    await page.locator("tbody tr").first.tap()
    panel = page.get_by_role("complementary", name="Task")
    box = await panel.bounding_box()
    assert box is not None
    assert box["width"] == PHONE["width"]
    await panel.get_by_role("button", name="Close").tap()
    await expect(panel).to_have_count(0)
    await page.get_by_role("link", name="Workers").tap()
    await expect(page.get_by_role("article", name="gate")).to_be_visible()


LAYOUT = """
async () => {
  const { layout, reduced } = await import("/dashboard/page/layout.js");
  let seed = 7;
  const random = (n) => { seed = (seed * 48271) % 2147483647; return seed % n; };
  const faults = [];
  for (let round = 0; round < 60; round += 1) {
    const count = 1 + random(40);
    const ids = Array.from({ length: count }, (_, n) => `n${n}`);
    const edges = [];
    for (let to = 1; to < count; to += 1) {
      for (let k = random(4); k; k -= 1) edges.push({ from: `n${random(to)}`, to: `n${to}`, any: false });
    }
    const size = { along: 100, across: 30 }, gap = { along: 40, across: 10 };
    const plan = layout(ids, reduced(ids, edges), size, gap);
    const fault = (is, what) => { if (is) faults.push(`round ${round}: ${what}`); };
    const at = [...plan.nodes.values()];
    at.forEach((a, i) => at.slice(i + 1).forEach((b) => {
      fault(a.along === b.along && Math.abs(a.across - b.across) < 39.99, "too near");
    }));
    for (const { from, to } of edges) fault(plan.nodes.get(from).along >= plan.nodes.get(to).along, "backwards");
    for (const one of at) fault(one.across < -0.01 || one.across + 30 > plan.breadth + 0.01, "outside");
    for (const { points } of plan.lines) {
      fault(points.some(([along], i) => i && along < points[i - 1][0]), "bent back");
    }
  }
  return faults;
}
"""


async def test_graphs_go_forward_and_nodes_keep_apart(desk: Watched) -> None:
    page = await desk.open()
    assert await page.evaluate(LAYOUT) == []
