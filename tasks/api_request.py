"""The Prefect task of the type api_request."""

from prefect import State, task

from tasks.options import OPTIONS, tags_of
from vera_orchestrator.engine.slips import show_run


@task(name="api_request", tags=tags_of("api_request"), **OPTIONS)
async def api_request(after: object = None) -> State[object] | None:
    """Show an HTTP request. `after` carries the edges to the runs before it."""
    del after
    return await show_run(tags_of("api_request"))
