"""The files of the page as they are served, and where they come from."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from api import create_app
from api.dashboard import files, vendoring
from tests.api.support import LOCAL, calling, echoing


@pytest.fixture
def record() -> dict[str, dict[str, str]]:
    return json.loads(vendoring.RECORD.read_text())


def test_vendored_files_are_those_of_the_locked_packages(record: dict[str, dict[str, str]]) -> None:
    lock = vendoring.locked()
    assert set(record) == set(vendoring.FILES)
    for name, facts in record.items():
        assert facts["sha256"] == vendoring.digest(vendoring.VENDOR / name)
        assert facts["source"] == vendoring.FILES[name]
        assert (facts["version"], facts["integrity"]) == tuple(
            lock[facts["package"]][one] for one in ("version", "integrity")
        )
        assert (vendoring.VENDOR / facts["licence"]).read_text()


def test_nothing_in_the_page_names_another_host() -> None:
    for name, file in files.read_files().items():
        if name.startswith("page/"):
            found = set(re.findall(rb"https?://[\w.]+", file.content)) - {b"http://www.w3.org", b"https://example.com"}
            assert not found, name


def test_no_file_sets_markup_from_text() -> None:
    for path in (files.FOLDER / "page").rglob("*.js"):
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|dangerouslySetInnerHTML|document\.write|eval\(", path.read_text()
        ), path


async def test_the_page_is_sent_with_a_strict_policy_and_again_only_when_it_has_changed(tmp_path: Path) -> None:
    async with calling(create_app(echoing(tmp_path)), base_url=LOCAL) as client:
        page = await client.get(f"{LOCAL}/")
        policy = page.headers["content-security-policy"]
        assert page.status_code == 200
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        again = await client.get(f"{LOCAL}/", headers={"If-None-Match": page.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        script = await client.get(f"{LOCAL}/dashboard/page/app.js")
        assert script.headers["content-type"] == "text/javascript; charset=utf-8"
        assert script.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "path", ["files.py", "../app.py", "page/../files.py", "%2e%2e/app.py", "package.json", "page", ""]
)
async def test_only_the_files_of_the_page_are_served(tmp_path: Path, path: str) -> None:
    async with calling(create_app(echoing(tmp_path)), base_url=LOCAL) as client:
        assert (await client.get(f"{LOCAL}/dashboard/{path}")).status_code == 404


async def test_the_page_is_there_without_a_key_and_for_callers_from_elsewhere(tmp_path: Path) -> None:
    app = create_app(echoing(tmp_path, require_key="always", api_key="the-key"))
    async with calling(app, peer="10.0.0.1", base_url="https://vera.example") as client:
        assert (await client.get("https://vera.example/")).status_code == 200
        assert (await client.get("/status")).status_code == 401
