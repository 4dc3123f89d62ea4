"""Copies what the page loads out of node_modules into vendor/, and writes down what each file is: `make vendor`."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
VENDOR = FOLDER / "vendor"
RECORD = VENDOR / "record.json"
LOCK = FOLDER / "package-lock.json"
FILES: Mapping[str, str] = {
    "preact.mjs": "preact/dist/preact.mjs",
    "hooks.mjs": "preact/hooks/dist/hooks.mjs",
    "signals.mjs": "@preact/signals/dist/signals.mjs",
    "signals-core.mjs": "@preact/signals-core/dist/signals-core.mjs",
    "htm.mjs": "htm/dist/htm.mjs",
    "barlow-400.woff2": "@fontsource/barlow-semi-condensed/files/barlow-semi-condensed-latin-400-normal.woff2",
    "barlow-500.woff2": "@fontsource/barlow-semi-condensed/files/barlow-semi-condensed-latin-500-normal.woff2",
    "barlow-600.woff2": "@fontsource/barlow-semi-condensed/files/barlow-semi-condensed-latin-600-normal.woff2",
    "swagger-ui.js": "swagger-ui-dist/swagger-ui-bundle.js",
    "swagger-ui.css": "swagger-ui-dist/swagger-ui.css",
    "sometype-mono.woff2": "@fontsource-variable/sometype-mono/files/sometype-mono-latin-wght-normal.woff2",
}
"""Where each file comes from."""


def package_of(source: str) -> str:
    """Return the package that a file of node_modules belongs to."""
    first, second, *_ = source.split("/")
    return f"{first}/{second}" if first.startswith("@") else first


def locked() -> dict[str, dict[str, Any]]:
    """Return what the lock says of each package."""
    packages: dict[str, dict[str, Any]] = json.loads(LOCK.read_text())["packages"]
    return {path.removeprefix("node_modules/"): facts for path, facts in packages.items() if path}


def vendor(modules: Path) -> None:
    """Fill vendor/ anew from installed modules, with their licences."""
    shutil.rmtree(VENDOR, ignore_errors=True)
    VENDOR.mkdir()
    lock = locked()
    record: dict[str, dict[str, str]] = {}
    for name, source in FILES.items():
        shutil.copyfile(modules / source, VENDOR / name)
        package = package_of(source)
        licence = f"LICENSE-{package.rpartition('/')[2]}"
        shutil.copyfile(modules / package / "LICENSE", VENDOR / licence)
        record[name] = {
            "package": package,
            "version": lock[package]["version"],
            "integrity": lock[package]["integrity"],
            "source": source,
            "licence": licence,
            "sha256": digest(VENDOR / name),
        }
    RECORD.write_text(json.dumps(record, indent=2) + "\n")


def digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    vendor(FOLDER / "node_modules")
