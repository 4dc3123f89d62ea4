"""`vera up` in the foreground: first who may serve where, then what takes seconds to load."""

from __future__ import annotations

import logging

from api.command.claim import claimed
from api.command.output import console
from api.command.up import UpOptions
from vera_orchestrator.settings import OrchestratorConfig

LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def up_here(options: UpOptions) -> int:
    """Serve until SIGINT or SIGTERM, and return the exit status. Raises CommandFailed and InvalidValue."""
    config = OrchestratorConfig()
    with claimed(config.home, options.host, options.port) as claim:
        logging.basicConfig(level=options.log_level.upper(), format=LOG_FORMAT)
        screen = console()
        screen.quiet = options.json
        screen.print(f"Starting on {claim.url} with the state in {config.home} ...", soft_wrap=True)

        import uvloop

        from api.command.staying import stay

        return uvloop.run(stay(config, claim, screen, as_json=options.json))
