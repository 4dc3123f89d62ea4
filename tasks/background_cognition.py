"""The Prefect task of the type background_cognition."""

from prefect import State, task

from tasks.options import OPTIONS, tags_of
from vera_orchestrator.engine.slips import show_run


@task(name="background_cognition", tags=tags_of("background_cognition"), **OPTIONS)
async def background_cognition(after: object = None) -> State[object] | None:
    """Show background thinking. `after` carries the edges to the runs before it."""
    del after
    return await show_run(tags_of("background_cognition"))
