"""What commands write."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from collections.abc import Iterable
from typing import Any

from rich.console import Console

from api.command.options import Output

WIDTH_ELSEWHERE = 200


def console() -> Console:
    """Return the terminal, which colours nothing by guessing; what goes elsewhere gets long lines."""
    screen = Console(highlight=False)
    if not screen.is_terminal and "COLUMNS" not in os.environ:
        screen.width = WIDTH_ELSEWHERE
    return screen


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


def error_console() -> Console:
    """Return the terminal for what is not the answer."""
    return Console(highlight=False, stderr=True)


def tell(output: Output, content: Any, lines: Iterable[str]) -> None:
    """Write JSON where it was asked for, else lines for a person."""
    if output.json:
        print_json(content)
        return
    for line in lines:
        console().print(line, soft_wrap=True, markup=False)
