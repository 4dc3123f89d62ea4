"""Where the peers' environments get uv from."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import environments
from benchmarks.children import ChildFailed
from benchmarks.environments import uv_program


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return where this project's own uv would be; there is no other."""
    monkeypatch.delenv("UV", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    monkeypatch.setattr(environments, "OWN_UV", tmp_path / "uv")
    return tmp_path / "uv"


def test_without_any_uv_it_is_said_how_to_get_one(own: Path) -> None:
    with pytest.raises(ChildFailed, match="make"):
        uv_program()


def test_the_one_that_make_installs_is_found(own: Path) -> None:
    own.touch()
    assert uv_program() == str(own)


def test_one_that_is_named_or_on_the_path_comes_first(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own.touch()
    (tmp_path / "bin").mkdir()
    on_path = tmp_path / "bin" / "uv"
    on_path.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(on_path.parent))
    assert uv_program() == str(on_path)
    monkeypatch.setenv("UV", "/named/uv")
    assert uv_program() == "/named/uv"
