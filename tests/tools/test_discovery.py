"""Tools that come with other installed packages."""

import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from vera_orchestrator.tools import ToolContext, ToolRegistry, register_entry_points

Install = Callable[[str, str], None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Make a distribution with one module and one entry point, as an installer would."""
    monkeypatch.syspath_prepend(tmp_path)  # pyright: ignore[reportUnknownMemberType]

    def make(name: str, code: str) -> None:
        (tmp_path / f"{name}.py").write_text(code)
        metadata = tmp_path / f"{name}-1.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (metadata / "entry_points.txt").write_text(f"[vera_orchestrator.tools]\n{name} = {name}:register\n")

    return make


GOOD = """
def register(registry):
    @registry.tool
    def double(value: int) -> int:
        "Double a number."
        return 2 * value
"""

HALF = "def register(registry):\n    registry.tool(name='half')(lambda: 1)\n"


async def test_the_tools_of_an_installed_package_are_registered(install: Install, context: ToolContext) -> None:
    install("vera_test_good", GOOD)
    registry = ToolRegistry()
    assert register_entry_points(registry) == ["vera_test_good"]
    assert await registry.call("double", {"value": 4}, context) == 8


@pytest.mark.parametrize(
    "broken",
    [
        "",
        "raise OSError('cannot import')",
        "other = 1",
        "register = 1",
        f"{HALF}    raise KeyError('late')",
        f"{HALF}    registry.tool(name='taken')(lambda: 1)",
    ],
)
def test_a_broken_package_is_logged_and_left_out_whole(
    install: Install, caplog: pytest.LogCaptureFixture, broken: str
) -> None:
    install("vera_test_broken", broken)
    install("vera_test_good", GOOD)
    registry = ToolRegistry()
    registry.tool(name="taken")(lambda: None)
    with caplog.at_level(logging.ERROR):
        assert register_entry_points(registry) == ["vera_test_good"]
    assert registry.names() == ["double", "taken"]
    assert "vera_test_broken = vera_test_broken:register" in caplog.text
    assert caplog.records[0].exc_info is not None
