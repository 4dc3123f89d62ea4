"""A Docker Engine of one's own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services.docker_service import LONGEST, DockerService
from tests.services.errors import ServiceFailed
from tests.services.packages import packages_missing
from tests.services.state import Record


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder for an engine; its path is too long for the sockets of one."""
    if os.geteuid() != 0 or packages_missing(["dockerd"]):
        pytest.skip("Docker Engine is not installed, or this is not root: make services")
    folder = tmp_path / ("a" * LONGEST)
    yield folder
    DockerService().remove(folder)
    assert list(tmp_path.iterdir()) == []


def test_an_engine_comes_back_after_a_kill_and_leaves_no_process(folder: Path) -> None:
    service = DockerService()
    noted: list[Record] = []
    first = service.start(folder, None, noted.append)
    assert service.answers(first)
    assert first.url == f"unix://{(folder / 'run').resolve()}/docker.sock"
    helpers = first.process.children()
    first.process.kill()
    assert not service.answers(first)
    second = service.start(folder, first, noted.append)
    assert (service.answers(second), second.url, second.pid == first.pid) == (True, first.url, False)
    assert noted == [first, second]
    helpers += second.process.children()
    service.stop(folder, second)
    assert helpers
    assert [helper for helper in [second.process, *helpers] if helper.lives] == []


def test_an_address_at_which_nobody_answers_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path / 'docker.sock'}")
    with pytest.raises(ServiceFailed, match=r"docker\.sock, which DOCKER_HOST names: unset it"):
        DockerService().given()
