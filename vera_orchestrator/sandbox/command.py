"""The bubblewrap command line of a program: pure."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from vera_orchestrator.sandbox.layout import NETWORK_FILES, SYSTEM_FILES, Layout
from vera_orchestrator.sandbox.values import BASE_ENVIRONMENT, WORK_FOLDER, SandboxProgram

NOBODY = 65534
SHARED_MEMORY_MB = 16
PASSWD = f"nobody:x:{NOBODY}:{NOBODY}:nobody:{WORK_FOLDER}:/bin/sh\n"


def bubblewrap_command(
    bwrap: Path,
    program: SandboxProgram,
    layout: Layout,
    *,
    files: Mapping[str, int],
    status_fd: int,
    block_fd: int,
    disable_userns: bool = True,
    covered: tuple[Path, ...] = (),
) -> list[str]:
    """Return the command line.

    `files` maps absolute names inside to descriptors with their content; on `status_fd` bubblewrap tells the process id
    and the exit code, on `block_fd` it waits before it starts the program. `covered` folders of the program's own binds
    appear empty.
    """
    command = [
        str(bwrap),
        *("--unshare-all", "--unshare-user", "--die-with-parent", "--new-session", "--cap-drop", "ALL"),
        *("--uid", str(NOBODY), "--gid", str(NOBODY), "--hostname", "sandbox", "--clearenv"),
        *(["--disable-userns"] if disable_userns else []),
        *(["--share-net"] if program.network else []),
        *("--json-status-fd", str(status_fd), "--block-fd", str(block_fd)),
    ]
    for name, value in (BASE_ENVIRONMENT | dict(program.environment)).items():
        command += ["--setenv", name, value]
    command += _mounts(program, layout)
    for path in covered:
        command += _cover(path)
    for name, descriptor in files.items():
        command += ["--file", str(descriptor), name]
    command += ["--remount-ro", "/", "--chdir", program.folder, "--", *program.argv]
    return command


def _mounts(program: SandboxProgram, layout: Layout) -> list[str]:
    arguments: list[str] = []
    for folder in layout.folders:
        arguments += ["--ro-bind", str(folder), str(folder)]
    for target, name in layout.links:
        arguments += ["--symlink", target, name]
    for path in layout.covered:
        arguments += _cover(path)
    for name in (*SYSTEM_FILES, *(NETWORK_FILES if program.network else ())):
        arguments += ["--ro-bind-try", name, name]
    # For the kernel the program's user may be root, who owns /proc/sys whatever his capabilities: hence read-only.
    arguments += ["--proc", "/proc", "--remount-ro", "/proc"]
    arguments += ["--dev", "/dev", *_scratch("/dev/shm", SHARED_MEMORY_MB), "--remount-ro", "/dev"]
    arguments += _scratch(WORK_FOLDER, program.scratch_mb)
    for source, name in program.read_only.items():
        arguments += ["--ro-bind", str(source), name]
    if program.writable:
        arguments += ["--bind", str(program.writable[0]), program.writable[1]]
    return arguments


def _scratch(name: str, size_mb: int) -> list[str]:
    return ["--size", str(size_mb * 2**20), "--tmpfs", name]


def _cover(path: Path) -> list[str]:
    return ["--size", "4096", "--tmpfs", str(path), "--remount-ro", str(path)]
