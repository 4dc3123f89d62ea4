"""Run the simulator as a command."""

import sys

from vera_orchestrator.simulator.command import main

if __name__ == "__main__":
    sys.exit(main())
