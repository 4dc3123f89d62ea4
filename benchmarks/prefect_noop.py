"""Raw Prefect's tasks; as a program, the task worker that serves them."""

from __future__ import annotations

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.task_worker import serve


@task(persist_result=False, cache_policy=NO_CACHE)
async def noop() -> None:
    """Do nothing."""


if __name__ == "__main__":
    from benchmarks.prefect_noop import noop as served  # a task is known by its module's name, which is not __main__

    serve(served)
