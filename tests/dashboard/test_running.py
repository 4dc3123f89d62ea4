"""What runs: a batch as a graph, and workers."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from BackgroundCognition.orchestrator import Task
from tests.dashboard.browser import Watched
from tests.dashboard.site import Site
from tests.support import needs, soon

pytestmark = pytest.mark.asyncio(loop_scope="session")


def batch() -> list[Task]:
    gated = needs("gated")
    return [
        Task(id="first", requirements=gated),
        Task(id="second", requirements=gated),
        Task(id="both", depends_on=["first", "second"], requirements=gated),
        Task(id="last", depends_on=["both", "first"], requirements=gated, tags=["end"]),
    ]


async def test_the_graph_of_a_batch_colours_as_it_runs_and_a_node_opens_its_task(desk: Watched, site: Site) -> None:
    await soon(site.orchestrator.submit_batch(batch(), batch_id="night", name="night run"))
    page = await desk.open("/#/batches")
    await page.get_by_role("link", name="night run").click()
    node = page.locator(".node")
    await expect(node).to_have_count(4)
    await expect(page.locator(".node.n-run")).to_have_count(2)
    await expect(page.locator(".lines path")).to_have_count(3)  # that last needs first follows from the others
    await page.get_by_role("link", name="last, custom, pending").click()
    panel = page.get_by_role("complementary", name="Task")
    await expect(panel).to_contain_text("waits for 2 tasks")
    site.gate.open()
    await expect(page.locator(".node.n-done")).to_have_count(4)
    await expect(panel.locator(".bar")).to_contain_text("completed")
    await expect(page.locator(".head .state")).to_have_text("completed")
    await expect(panel.get_by_role("link", name="both")).to_be_visible()


async def test_a_batch_is_cancelled_and_tried_again_from_the_page(desk: Watched, site: Site) -> None:
    await soon(site.orchestrator.submit_batch(batch(), batch_id="night"))
    page = await desk.open("/#/batches/night")
    await page.get_by_role("button", name="Cancel").click()
    await expect(page.locator(".node.n-off")).to_have_count(4)
    site.gate.open()
    await page.get_by_role("button", name="Retry 4 tasks").click()
    await expect(page.locator(".node.n-done")).to_have_count(4)


async def test_a_large_batch_is_shown_by_layers_and_never_as_thousands_of_rows(desk: Watched, site: Site) -> None:
    site.gate.open()
    tasks = [Task(id=f"t{n}", depends_on=["t0"] if n else [], requirements=needs("gated")) for n in range(600)]
    await soon(site.orchestrator.submit_batch(tasks, batch_id="large", wait=True))
    page = await desk.open("/#/batches/large")
    await expect(page.locator(".layers li")).to_have_count(2)
    await expect(page.locator("tbody tr")).to_have_count(200)


async def test_running_tasks_show_their_progress_and_can_be_cancelled(desk: Watched, site: Site) -> None:
    task = Task(requirements=needs("gated"))
    page = await desk.open("/#/tasks")
    task_id = await site.submit(task)
    await page.get_by_role("row", name="running").get_by_role("link").click()
    panel = page.get_by_role("complementary", name="Task")
    assert task.on_progress is not None or await site.gate.next() == task_id
    await panel.get_by_role("button", name="Cancel").click()
    await expect(panel.locator(".bar")).to_contain_text("cancelled")
    await expect(page.get_by_role("row", name="cancelled")).to_have_count(1)


async def test_a_worker_is_drained_resumed_and_removed(desk: Watched, site: Site) -> None:
    page = await desk.open("/#/workers")
    worker = page.get_by_role("article", name="gate")
    await worker.get_by_role("button", name="Drain").click()
    await expect(worker).to_contain_text("maintenance")
    await worker.get_by_role("button", name="Resume").click()
    await expect(worker).to_contain_text("idle")
    await worker.get_by_role("button", name="Remove").click()
    await page.get_by_role("dialog").get_by_role("button", name="Keep it").click()
    await worker.get_by_role("button", name="Remove").click()
    await page.get_by_role("dialog").get_by_role("button", name="Remove the worker").click()
    await expect(worker).to_have_count(0)
    assert site.orchestrator.worker_registry.get_worker("gate") is None
