"""The Prefect task of the type custom."""

from prefect import State, task

from tasks.options import OPTIONS, tags_of
from vera_orchestrator.engine.slips import show_run


@task(name="custom", tags=tags_of("custom"), **OPTIONS)
async def custom(after: object = None) -> State[object] | None:
    """Show a task of a custom worker. `after` carries the edges to the runs before it."""
    del after
    return await show_run(tags_of("custom"))
