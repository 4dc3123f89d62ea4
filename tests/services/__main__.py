"""`python -m tests.services start|stop|status|remove`."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from tests.services.control import Control
from tests.services.state import FOLDER, State


def main() -> int:
    """Do what the arguments say; 1 if something could not be done."""
    parser = argparse.ArgumentParser(prog="python -m tests.services", description=__doc__)
    parser.add_argument("do", choices=["start", "stop", "status", "remove"])
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where data, logs and services.json are kept")
    chosen = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)  # so that what is to be undone is undone then too
    control = Control(State(chosen.folder.resolve()), _say)
    steps = {"start": control.start, "stop": control.stop, "status": control.status, "remove": control.remove}
    return 0 if steps[chosen.do]() else 1


def _end(number: int, _: object) -> None:
    sys.exit(128 + number)


def _say(title: str, line: str) -> None:
    sys.stdout.write(f"{title:<19} {line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
