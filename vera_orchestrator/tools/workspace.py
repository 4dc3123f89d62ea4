"""The one folder that tools may use, and paths that cannot lead out of it.

A path is first resolved as a whole, links and `..` included, and refused if it ends outside. It is then opened folder
by folder without following links, so a link that appears in between is met as a link and refused.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from vera_orchestrator.errors import InvalidPayload, NotAllowed, NotConfigured, NotFound
from vera_orchestrator.settings import OrchestratorConfig

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Non-blocking, as the opening of a named pipe would wait for its other end.
FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def open_workspace(settings: OrchestratorConfig) -> Path:
    """Return the real path of the workspace, made with mode 0700 if missing.

    Raises NotConfigured if the state folder lies within.
    """
    root = settings.workspace.resolve()
    if settings.home.resolve().is_relative_to(root):
        raise NotConfigured(
            f"The tools' folder {root} holds the state folder {settings.home}, which tools must not reach.",
            field="tools_root",
            remedy="Set tools_root (VERA_TOOLS_ROOT) to a folder that does not hold it.",
        )
    root.mkdir(parents=True, exist_ok=True, mode=0o700)
    return root


def locate(root: Path, path: str, *, field: str = "path") -> Path:
    """Return where in `root` a path leads, relative to it and free of links; it need not exist.

    Raises NotAllowed if it leads outside, InvalidPayload if it is no path.
    """
    try:
        real = Path(os.path.realpath(root / path))
    except ValueError as error:
        raise InvalidPayload(
            f"{path!r} is not a path: {error}.", field=f"payload.tool_input.{field}", remedy="Give a path."
        ) from None
    if not real.is_relative_to(root):
        raise outside(root, path, field=field)
    return real.relative_to(root)


def outside(root: Path, path: str, *, field: str = "path") -> NotAllowed:
    """Return the error for a path that leads out of the workspace."""
    return NotAllowed(
        f"{path!r} leads out of {root}, the folder that tools may use.",
        field=f"payload.tool_input.{field}",
        remedy="Give a path inside it, or set tools_root (VERA_TOOLS_ROOT) to another folder.",
    )


@contextmanager
def open_folder(root: Path, parts: tuple[str, ...], *, create: bool = False) -> Generator[int]:
    """Give a descriptor of the folder at `parts` below `root`, closed at the end; no link is followed.

    `create` makes what is missing. Raises NotAllowed for a link, NotFound for what is missing or no folder.
    """
    with _explained(root, parts):
        folder = os.open(root, FOLDER)
        try:
            for part in parts:
                folder = _step(folder, part, create=create)
        except BaseException:
            os.close(folder)
            raise
    try:
        yield folder
    finally:
        os.close(folder)


@contextmanager
def open_file(root: Path, parts: tuple[str, ...]) -> Generator[int]:
    """Give a descriptor to read the regular file at `parts` below `root`, closed at the end; no link is followed.

    Raises NotAllowed for a link, NotFound for what is missing or no regular file.
    """
    with open_folder(root, parts[:-1]) as folder:
        with _explained(root, parts):
            file = os.open(parts[-1] if parts else ".", FILE, dir_fd=folder)
        try:
            if not stat.S_ISREG(os.fstat(file).st_mode):
                raise not_found(parts, "is not a file")
            yield file
        finally:
            os.close(file)


def not_found(parts: tuple[str, ...], what: str) -> NotFound:
    """Return the error for a path of the wrong kind or without anything."""
    return NotFound(
        f"{'/'.join(parts) or '.'!r} {what}.",
        field="payload.tool_input.path",
        remedy="The tool list_directory shows what there is.",
    )


def _step(folder: int, part: str, *, create: bool) -> int:
    """Go down one folder; the descriptor given is closed, unless this raises."""
    if create:
        with suppress(FileExistsError):
            os.mkdir(part, 0o700, dir_fd=folder)
    below = os.open(part, FOLDER, dir_fd=folder)
    os.close(folder)
    return below


@contextmanager
def _explained(root: Path, parts: tuple[str, ...]) -> Generator[None]:
    try:
        yield
    except OSError as error:
        if error.errno == errno.ELOOP or (error.errno == errno.ENOTDIR and _has_link(root, parts)):
            raise outside(root, "/".join(parts)) from None
        if error.errno == errno.ENOENT:
            raise not_found(parts, "does not exist") from None
        if error.errno in (errno.ENOTDIR, errno.ENXIO):
            raise not_found(parts, "is not a folder or file") from None
        raise


def _has_link(root: Path, parts: tuple[str, ...]) -> bool:
    """Tell a link from a file: with O_DIRECTORY the kernel answers ENOTDIR for both."""
    return any(root.joinpath(*parts[: end + 1]).is_symlink() for end in range(len(parts)))
