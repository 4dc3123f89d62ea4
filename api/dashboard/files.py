"""The files of the page, read once."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent
PARTS = ("page", "vendor")
INDEX = "page/index.html"
MEDIA_TYPES: Mapping[str, str] = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
}
INLINE_SCRIPT = re.compile(rb"<script(?![^>]* src=)[^>]*>(.*?)</script>", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class PageFile:
    """One file as it is sent."""

    content: bytes
    media_type: str
    tag: str
    """The value of ETag."""


def read_files() -> dict[str, PageFile]:
    """Return the files by path; what has another ending than those above is not served."""
    return {str(path.relative_to(FOLDER)): _read(path) for path in _paths()}


def inline_hashes(document: bytes) -> list[str]:
    """Return what a content security policy says of the scripts that stand in a document itself."""
    scripts: list[bytes] = INLINE_SCRIPT.findall(document)
    return [f"'sha256-{base64.b64encode(hashlib.sha256(script).digest()).decode()}'" for script in scripts]


def _paths() -> Iterator[Path]:
    for part in PARTS:
        yield from (path for path in (FOLDER / part).rglob("*") if path.suffix in MEDIA_TYPES)


def _read(path: Path) -> PageFile:
    content = path.read_bytes()
    tag = f'"{hashlib.sha256(content).hexdigest()[:24]}"'
    return PageFile(content=content, media_type=MEDIA_TYPES[path.suffix], tag=tag)
