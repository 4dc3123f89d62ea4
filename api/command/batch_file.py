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
    parsed = _parsed(text, "standard input" if name == "-" else name)
    content = cast("dict[str, Any]", {"tasks": parsed} if isinstance(parsed, list) else parsed)
    if not isinstance(content, dict) or not isinstance(content.get("tasks"), list):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise CommandFailed(Exit.USAGE, f"{name} holds no batch.", FORM)
    # YAML has dates, which JSON writes as text
    return json.loads(json.dumps(content, default=str))


def _parsed(text: str, name: str) -> Any:
    import yaml

    try:
        return json.loads(text) if name.endswith(".json") else yaml.safe_load(text)
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        kind = "JSON" if name.endswith(".json") else "YAML"
        place, problem = _fault(error, text)
        raise CommandFailed(Exit.USAGE, f"{name}{place} is not {kind}: {problem}.", FORM) from error


def _fault(error: Exception, text: str) -> tuple[str, str]:
    """Return where a text cannot be read, if that is known, and why, on one line."""
    from yaml import MarkedYAMLError
    from yaml.reader import ReaderError

    match error:
        case json.JSONDecodeError():
            return _place(error.lineno, error.colno), error.msg
        case MarkedYAMLError(problem=str(problem), problem_mark=mark) if mark is not None:
            return _place(mark.line + 1, mark.column + 1), problem
        case ReaderError():
            before = text[: error.position]
            return _place(before.count("\n") + 1, len(before) - before.rfind("\n")), f"{error.reason}"
        case RecursionError():
            return "", "it is nested too deeply"
        case _:
            return "", str(error).partition("\n")[0]


def _place(line: int, column: int) -> str:
    return f", line {line}, column {column},"
