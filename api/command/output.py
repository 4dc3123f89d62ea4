"""What commands write."""

from __future__ import annotations

import dataclasses
import json
import sys
from typing import Any

from rich.console import Console


def console() -> Console:
    """Return the terminal, which colours nothing by guessing."""
    return Console(highlight=False)


def print_json(content: Any) -> None:
    """Write JSON, in ASCII so that it can be written anywhere."""
    if dataclasses.is_dataclass(content) and not isinstance(content, type):
        content = dataclasses.asdict(content)
    sys.stdout.write(json.dumps(content, indent=2) + "\n")
    sys.stdout.flush()


def print_json_line(content: Any) -> None:
    """Write JSON on one line, of which there may be many."""
    sys.stdout.write(json.dumps(content) + "\n")
    sys.stdout.flush()
