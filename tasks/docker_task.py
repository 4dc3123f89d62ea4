"""The Prefect task of the type docker_task."""

from prefect import State, task

from tasks.options import OPTIONS, tags_of
from vera_orchestrator.engine.slips import show_run


@task(name="docker_task", tags=tags_of("docker_task"), **OPTIONS)
async def docker_task(after: object = None) -> State[object] | None:
    """Show a command in a container. `after` carries the edges to the runs before it."""
    del after
    return await show_run(tags_of("docker_task"))
