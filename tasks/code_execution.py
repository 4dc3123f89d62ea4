"""The Prefect task of the type code_execution."""

from prefect import State, task

from tasks.options import OPTIONS, tags_of
from vera_orchestrator.engine.slips import show_run


@task(name="code_execution", tags=tags_of("code_execution"), **OPTIONS)
async def code_execution(after: object = None) -> State[object] | None:
    """Show a program in the sandbox. `after` carries the edges to the runs before it."""
    del after
    return await show_run(tags_of("code_execution"))
