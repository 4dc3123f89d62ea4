"""A real browser, and pages that notice what must not happen on them."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Literal
from urllib.parse import urlsplit

from axe_core_python.base import AXE_SCRIPT  # pyright: ignore[reportMissingTypeStubs]
from playwright.async_api import Browser, ConsoleMessage, Page, Request, WebSocket, async_playwright

from tests.support import PATIENCE

ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--no-first-run",
)
WIDE, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
Scheme = Literal["light", "dark"]
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@asynccontextmanager
async def launched(path: str) -> AsyncGenerator[Browser]:
    """Run a browser while the block lasts."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        try:
            yield browser
        finally:
            await browser.close()


class Watched:
    """A page, and what went wrong on it; `forgives` are texts of errors that a test brings about."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.faults: list[str] = []
        self.forgives: tuple[str, ...] = ()
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))
        page.on("request", self._asked)
        page.on("websocket", self._connected)

    async def open(self, address: str = "/") -> Page:
        """Go to an address of the page, and wait until it is connected."""
        await self.page.goto(self.url + address)
        await self.page.locator(".linkstate.open").wait_for()
        return self.page

    def check(self) -> None:
        """Fail if anything went wrong."""
        faults = [fault for fault in self.faults if not any(text in fault for text in self.forgives)]
        assert not faults, faults

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.faults.append(f"console: {message.text} {message.location.get('url')}")

    def _asked(self, request: Request) -> None:
        self._check_host(request.url)

    def _connected(self, socket: WebSocket) -> None:
        self._check_host(socket.url)

    def _check_host(self, address: str) -> None:
        if urlsplit(address).netloc != urlsplit(self.url).netloc:
            self.faults.append(f"foreign request: {address}")


@asynccontextmanager
async def watching(
    browser: Browser, url: str, *, scheme: Scheme = "light", size: dict[str, int] = WIDE, **more: Any
) -> AsyncGenerator[Watched]:
    """Give a page of its own session, and fail at the end if anything went wrong on it."""
    context = await browser.new_context(
        viewport={"width": size["width"], "height": size["height"]}, color_scheme=scheme, **more
    )
    context.set_default_timeout(PATIENCE * 1_000)
    watched = Watched(await context.new_page(), url)
    try:
        yield watched
        watched.check()
    finally:
        await context.close()


async def violations(page: Page, *, only_colours: bool = False) -> list[str]:
    """Return what the rules for accessible pages say against a page as it is now."""
    await page.evaluate(AXE_SCRIPT)
    rules = {"type": "rule", "values": ["color-contrast"]} if only_colours else {"type": "tag", "values": RULES}
    found: dict[str, Any] = await page.evaluate(
        "rules => axe.run({runOnly: rules, resultTypes: ['violations']})", rules
    )
    return [
        f"{one['id']}: {node['html'][:160]} {node['failureSummary']}"
        for one in found["violations"]
        for node in one["nodes"][:3]
    ]
