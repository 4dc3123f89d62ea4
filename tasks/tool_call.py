"""The Prefect task of the type tool_call."""

from prefect import State, task

from tasks.options import OPTIONS, tags_of
from vera_orchestrator.engine.slips import show_run


@task(name="tool_call", tags=tags_of("tool_call"), **OPTIONS)
async def tool_call(after: object = None) -> State[object] | None:
    """Show the call of a tool. `after` carries the edges to the runs before it."""
    del after
    return await show_run(tags_of("tool_call"))
