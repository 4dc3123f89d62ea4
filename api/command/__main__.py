"""`python -m api.command`."""

from __future__ import annotations

import sys

from api.command import main

if __name__ == "__main__":
    sys.exit(main())
