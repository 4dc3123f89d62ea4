"""Installing packages: with an apt-get of the test's own, which writes down what it is asked for."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from tests.services import image, packages
from tests.services.errors import ServiceFailed

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root installs packages")
FOREIGN = "#!/bin/sh\nexit 0\n"


class Apt:
    """An apt-get on the PATH that runs a script."""

    def __init__(self, folder: Path, policy: Path) -> None:
        self._program = folder / "apt-get"
        self._asked = folder / "asked"
        self.policy = policy
        self.does("true")

    def does(self, script: str) -> None:
        self._program.write_text(f'#!/bin/bash\necho "$*" >> {self._asked}\nAsked={self._asked}\n{script}\n')
        self._program.chmod(0o755)

    @property
    def asked(self) -> list[str]:
        return self._asked.read_text().splitlines()


@pytest.fixture
def apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Apt:
    """One that does nothing, successfully."""
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(packages, "POLICY", tmp_path / "policy-rc.d")
    monkeypatch.setattr(packages, "AGAIN_SECONDS", 0)
    return Apt(tmp_path, tmp_path / "policy-rc.d")


def test_no_service_is_started_meanwhile_and_nothing_is_left(apt: Apt, tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    apt.does(f"[[ $* == *install* ]] && cp -p {apt.policy} {seen}; true")
    packages.install(["redis-server"], tmp_path / "log")
    assert seen.read_text().endswith("exit 101\n")
    assert stat.S_IMODE(seen.stat().st_mode) & 0o111
    assert not apt.policy.exists()


def test_a_policy_that_a_killed_command_left_is_removed_and_somebody_elses_stays(apt: Apt, tmp_path: Path) -> None:
    apt.policy.write_text(f"#!/bin/sh\n{packages.MARK}\nexit 101\n")
    packages.install(["redis-server"], tmp_path / "log")
    assert not apt.policy.exists()
    apt.policy.write_text(FOREIGN)
    packages.install(["redis-server"], tmp_path / "log")
    assert apt.policy.read_text() == FOREIGN


def test_whoever_holds_the_lock_is_waited_for(apt: Apt, tmp_path: Path) -> None:
    apt.does("(( $(wc -l < $Asked) < 3 )) && { echo 'E: Could not get lock /var/lib/apt/lists/lock'; exit 100; }; true")
    packages.install(["redis-server"], tmp_path / "log")
    assert ["update" in line for line in apt.asked] == [True, True, True, False]
    assert all("DPkg::Lock::Timeout=120" in line for line in apt.asked)


def test_an_image_without_lists_of_packages_fetches_them(apt: Apt) -> None:
    apt.does("[[ $* == *update* ]] && touch $Asked.lists; [[ -e $Asked.lists ]]")
    image.download(["apt-get", "install", "python3"])
    assert ["update" in line for line in apt.asked] == [False, True, False]


def test_what_cannot_be_installed_is_reported_with_the_end_of_the_log(apt: Apt, tmp_path: Path) -> None:
    apt.does("echo 'E: Unable to locate package'; exit 100")
    with pytest.raises(ServiceFailed, match="Unable to locate package"):
        packages.install(["redis-server"], tmp_path / "log")
    assert not apt.policy.exists()


def test_a_browser_of_another_name_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert packages.packages_missing(["chromium"]) == ["chromium"]
    chrome = tmp_path / "google-chrome"
    chrome.touch(mode=0o755)
    assert packages.browser_program() == str(chrome)
    assert packages.packages_missing(["chromium"]) == []
