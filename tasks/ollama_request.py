"""The Prefect task of the type ollama_request."""

from prefect import State, task

from tasks.options import OPTIONS, tags_of
from vera_orchestrator.engine.slips import show_run


@task(name="ollama_request", tags=tags_of("ollama_request"), **OPTIONS)
async def ollama_request(after: object = None) -> State[object] | None:
    """Show a request to Ollama. `after` carries the edges to the runs before it."""
    del after
    return await show_run(tags_of("ollama_request"))
