"""In the sandbox: find files by name, and lines by a regular expression."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

MAX_FOUND = 1_000
MAX_LINE = 500
MAX_FILE_BYTES = 16 * 1024 * 1024
LOOK_AT_BYTES = 8_192


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Take `pattern`, `root` and `path`, which is relative to it; give what the tool search_files says."""
    pattern, regex, regex_error = request["pattern"], None, None
    try:
        regex = re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        regex_error = str(error)
    names: list[str] = []
    lines: list[dict[str, Any]] = []
    skipped = 0
    truncated = False
    root = Path(request["root"])
    for file in _files(root / request["path"]):
        shown = _shown(str(file.relative_to(root)))
        if fnmatch(file.name, pattern) or fnmatch(shown, pattern):
            names.append(shown)
        text = _text(file) if regex is not None else ""
        if text is None:
            skipped += 1
        elif regex is not None:
            lines.extend(_matching(regex, shown, text))
        if len(names) > MAX_FOUND or len(lines) > MAX_FOUND:
            truncated = True
            break
    found = {"names": names[:MAX_FOUND], "lines": lines[:MAX_FOUND], "skipped": skipped}
    return {"value": {**found, "truncated": truncated, "regex_error": regex_error}}


def _files(start: Path) -> Iterator[Path]:
    if start.is_file():
        yield start
    for folder, folders, names in os.walk(start):
        folders[:] = sorted(name for name in folders if name != ".git")
        for name in sorted(names):
            path = Path(folder, name)
            if path.is_file() and not path.is_symlink():
                yield path


def _text(file: Path) -> str | None:
    """Return the text of a file; None for one that is binary, too large or unreadable."""
    try:
        if file.stat().st_size > MAX_FILE_BYTES:
            return None
        content = file.read_bytes()
    except OSError:
        return None
    return None if b"\0" in content[:LOOK_AT_BYTES] else content.decode(errors="replace")


def _matching(regex: re.Pattern[str], shown: str, text: str) -> Iterator[dict[str, Any]]:
    found = 0
    for number, line in enumerate(text.splitlines(), start=1):
        if regex.search(line):
            yield {"path": shown, "line": number, "text": line[:MAX_LINE]}
            found += 1
            if found > MAX_FOUND:
                return


def _shown(name: str) -> str:
    """Return a name as valid text, which the name of a file need not be."""
    return os.fsencode(name).decode(errors="replace")


if __name__ == "__main__":
    json.dump(answer(json.load(sys.stdin)), sys.stdout)
