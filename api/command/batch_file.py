"""A batch in a file, in YAML or JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, cast

from api.command.exits import CommandFailed, Exit

FORM = "It is a list of tasks, or an object with tasks, and if you like name, batch_id, execute_parallel, fail_fast."


def read_batch(name: str) -> dict[str, Any]:
    """Return the body of POST /batches that a file, or "-" for standard input, describes. Raises CommandFailed."""
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandFailed(Exit.USAGE, f"{name} cannot be read: {error}.") from error
    parsed = _parsed(text, name)
    content = cast("dict[str, Any]", {"tasks": parsed} if isinstance(parsed, list) else parsed)
    if not isinstance(content, dict) or not isinstance(content.get("tasks"), list):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise CommandFailed(Exit.USAGE, f"{name} holds no batch.", FORM)
    # YAML has dates, which JSON writes as text
    return json.loads(json.dumps(content, default=str))


def _parsed(text: str, name: str) -> Any:
    import yaml

    try:
        return json.loads(text) if name.endswith(".json") else yaml.safe_load(text)
    except (ValueError, yaml.YAMLError) as error:
        kind = "JSON" if name.endswith(".json") else "YAML"
        raise CommandFailed(Exit.USAGE, f"{name} is not {kind}: {error}.", FORM) from error
