"""The Prefect task of the type llm_request."""

from prefect import State, task

from tasks.options import OPTIONS, tags_of
from vera_orchestrator.engine.slips import show_run


@task(name="llm_request", tags=tags_of("llm_request"), **OPTIONS)
async def llm_request(after: object = None) -> State[object] | None:
    """Show a request to a language model. `after` carries the edges to the runs before it."""
    del after
    return await show_run(tags_of("llm_request"))
