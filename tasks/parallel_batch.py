"""The Prefect task of the type parallel_batch."""

from prefect import State, task

from tasks.options import OPTIONS, tags_of
from vera_orchestrator.engine.slips import show_run


@task(name="parallel_batch", tags=tags_of("parallel_batch"), **OPTIONS)
async def parallel_batch(after: object = None) -> State[object] | None:
    """Show a batch that is one task. `after` carries the edges to the runs before it."""
    del after
    return await show_run(tags_of("parallel_batch"))
