from __future__ import annotations

import os
from pathlib import Path

import pytest

from vera_orchestrator.sandbox.cgroup import Cgroups, Hierarchy, own_hierarchies

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


def _usable() -> Cgroups:
    cgroups = Cgroups.find()
    if not cgroups.bounds("pids"):
        pytest.skip("this process may not make control groups")
    return cgroups
