"""The Prefect task of the type remote_compute."""

from prefect import State, task

from tasks.options import OPTIONS, tags_of
from vera_orchestrator.engine.slips import show_run


@task(name="remote_compute", tags=tags_of("remote_compute"), **OPTIONS)
async def remote_compute(after: object = None) -> State[object] | None:
    """Show work on a remote node. `after` carries the edges to the runs before it."""
    del after
    return await show_run(tags_of("remote_compute"))
