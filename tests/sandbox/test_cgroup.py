from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from vera_orchestrator.sandbox.cgroup import Cgroup, Cgroups, Hierarchy, own_hierarchies

V1_MOUNTS = (
    "31 25 0:28 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
    "32 25 0:29 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids\n"
    "33 25 0:30 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu,cpuacct\n"
)
V2_MOUNT = "31 25 0:28 / /sys/fs/cgroup rw,relatime - cgroup2 cgroup2 rw,nsdelegate\n"


def test_hierarchies_in_whose_root_the_process_lives_are_its_own() -> None:
    found = list(own_hierarchies("2:pids:/\n1:memory:/\n0::/\n", V1_MOUNTS))
    assert [(item.root, item.controllers) for item in found] == [
        (Path("/sys/fs/cgroup/memory"), {"memory"}),
        (Path("/sys/fs/cgroup/pids"), {"pids"}),
    ]


def test_a_group_that_somebody_else_made_is_left_alone() -> None:
    found = list(own_hierarchies("2:pids:/\n1:memory:/somebody/else\n", V1_MOUNTS))
    assert [item.controllers for item in found] == [{"pids"}]


def test_the_group_that_a_container_sees_as_its_root_is_its_own() -> None:
    mounts = "32 25 0:29 /docker/abc /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n"
    assert [item.root for item in own_hierarchies("2:pids:/docker/abc\n", mounts)] == [Path("/sys/fs/cgroup/pids")]


def test_version_2_is_told_from_version_1() -> None:
    assert list(own_hierarchies("0::/\n", V2_MOUNT)) == [
        Hierarchy(root=Path("/sys/fs/cgroup"), version=2, controllers=frozenset())
    ]
    assert list(own_hierarchies("0::/system.slice/vera.service\n", V2_MOUNT)) == []


def test_a_group_is_gone_after_it_was_removed() -> None:
    cgroups = _usable()
    group = cgroups.create(memory_mb=64, processes=5)
    folders = [folder for _, folder in group.folders]
    assert all(str(os.getpid()) in folder.name and folder.is_dir() for folder in folders)
    assert group.processes() == set()
    assert group.remove()
    assert not any(folder.exists() for folder in folders)


def test_groups_of_processes_that_are_gone_are_swept_and_others_kept() -> None:
    cgroups = _usable()
    mine = cgroups.create(memory_mb=64, processes=5)
    root = cgroups.hierarchies[0].root
    leftover = root / f"{cgroups.scope}-4194305-1"  # above the largest id that Linux gives
    leftover.mkdir()
    try:
        Cgroups.find()
        assert not leftover.exists()
        assert all(folder.exists() for _, folder in mine.folders)
    finally:
        mine.remove()


def test_what_a_thread_starts_while_it_is_in_a_group_is_born_there(group: Cgroup) -> None:
    with group.births():
        child = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
    with child:
        assert group.processes() == {child.pid}
    assert group.processes() == set()


def test_a_thread_that_started_something_is_back_where_it_was(group: Cgroup) -> None:
    before = _membership()
    with group.births():
        assert _membership() != before
    assert _membership() == before
    with pytest.raises(FileNotFoundError), group.births():
        subprocess.Popen(["/nowhere/cat"])
    assert _membership() == before


def test_no_other_thread_starts_anything_in_the_group(group: Cgroup) -> None:
    seen = list[str]()
    inside, looked = threading.Event(), threading.Event()

    def look() -> None:
        inside.wait(30)
        seen.append(_membership())
        looked.set()

    thread = threading.Thread(target=look)
    thread.start()
    with group.births():
        inside.set()
        assert looked.wait(30)
    thread.join()
    assert seen == [_membership()]


def test_killing_a_group_spares_the_thread_that_is_in_it(group: Cgroup) -> None:
    with group.births():
        assert group.processes() == set()
        group.kill()


def test_a_process_joins_a_group_of_version_2(group_2: Cgroup) -> None:
    assert group_2.joinable
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as child:
        assert group_2.processes() == set()
        group_2.join(child.pid)
        assert group_2.processes() == {child.pid}


@pytest.fixture
def group() -> Iterator[Cgroup]:
    """A group of version 1."""
    group = _usable().create(memory_mb=64, processes=5)
    if group.joinable:
        pytest.skip("there are control groups of version 2 only")
    yield group
    assert group.remove()


@pytest.fixture
def group_2() -> Iterator[Cgroup]:
    """A group of version 2, which need not bound anything."""
    membership, mounts = Path("/proc/self/cgroup").read_text(), Path("/proc/self/mountinfo").read_text()
    found = [
        item for item in own_hierarchies(membership, mounts) if item.version == 2 and os.access(item.root, os.W_OK)
    ]
    if not found:
        pytest.skip("this process may not make control groups of version 2")
    group = Cgroups(found).create(memory_mb=64, processes=5)
    yield group
    assert group.remove()


def _membership() -> str:
    return Path("/proc/thread-self/cgroup").read_text()


def _usable() -> Cgroups:
    cgroups = Cgroups.find()
    if not cgroups.bounds("pids"):
        pytest.skip("this process may not make control groups")
    return cgroups
