"""Files and folders in the workspace."""

from __future__ import annotations

import os
import secrets
import stat
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import Field

from vera_orchestrator.errors import InvalidPayload, ResultTooLarge
from vera_orchestrator.tools.context import ToolContext
from vera_orchestrator.tools.workspace import locate, not_found, open_file, open_folder

MAX_READ_BYTES = 16 * 1024 * 1024
MAX_ENTRIES = 10_000

FilePath = Annotated[str, Field(description="Path of a file in the workspace.")]
FolderPath = Annotated[str, Field(description="Path of a folder in the workspace; '.' is the workspace itself.")]


def read_file(path: FilePath, context: ToolContext) -> str:
    """Read a text file (UTF-8, at most 16 MiB) of the workspace."""
    root = context.workspace
    with open_file(root, locate(root, path).parts) as file, os.fdopen(file, "rb", closefd=False) as stream:
        # One byte more than allowed, as the size may change after it was looked at.
        content = stream.read(MAX_READ_BYTES + 1)
    if len(content) > MAX_READ_BYTES:
        raise ResultTooLarge(
            f"{path!r} is larger than {MAX_READ_BYTES} bytes.",
            field="payload.tool_input.path",
            remedy="Read a part of it with the tool python or bash.",
        )
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise InvalidPayload(
            f"{path!r} is not UTF-8 text (byte {error.start}).",
            field="payload.tool_input.path",
            remedy="Read it with the tool python.",
        ) from None


def write_file(
    path: FilePath, content: Annotated[str, Field(description="The whole new text.")], context: ToolContext
) -> dict[str, Any]:
    """Write a text file of the workspace in one step, with the folders it needs; replaces one that is there."""
    root = context.workspace
    place = locate(root, path)
    if not place.name:
        raise not_found((), "is a folder")
    encoded = content.encode()
    with open_folder(root, place.parts[:-1], create=True) as folder:
        _replace(folder, place.name, encoded)
    return {"path": str(place), "bytes": len(encoded)}


def _replace(folder: int, name: str, content: bytes) -> None:
    """Put a complete file in the place of an old one; a link at that place is replaced, never followed."""
    mode = _mode(folder, name)
    part = f".{secrets.token_hex(8)}.part"
    file = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=folder)
    try:
        with os.fdopen(file, "wb") as stream:
            stream.write(content)
            os.fchmod(file, mode)
        os.replace(part, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        os.unlink(part, dir_fd=folder)
        raise


def _mode(folder: int, name: str) -> int:
    try:
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return 0o600
    if stat.S_ISDIR(found.st_mode):
        raise not_found((name,), "is a folder")
    return stat.S_IMODE(found.st_mode) & 0o777 if stat.S_ISREG(found.st_mode) else 0o600


def list_directory(path: FolderPath, context: ToolContext) -> dict[str, Any]:
    """List a folder of the workspace, sorted by name: name, type, size in bytes and time of the last change."""
    root = context.workspace
    place = locate(root, path)
    with open_folder(root, place.parts) as folder:
        with os.scandir(folder) as found:
            names = sorted(entry.name for entry in found)
        entries = [entry for name in names[:MAX_ENTRIES] if (entry := _entry(folder, name))]
    return {"path": str(place), "entries": entries, "omitted": max(0, len(names) - MAX_ENTRIES)}


def _entry(folder: int, name: str) -> dict[str, Any] | None:
    try:
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:  # gone since it was listed
        return None
    return {
        # A name need not be UTF-8; a result must be.
        "name": os.fsencode(name).decode(errors="replace"),
        "type": _kind(found.st_mode),
        "size": found.st_size,
        "modified": datetime.fromtimestamp(found.st_mtime, UTC).isoformat(),
    }


def _kind(mode: int) -> str:
    if stat.S_ISREG(mode):
        return "file"
    if stat.S_ISDIR(mode):
        return "directory"
    return "link" if stat.S_ISLNK(mode) else "other"


TOOLS = (read_file, write_file, list_directory)
