"""Applies a plan to a Prefect server. A second time nothing is left to do."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping
from copy import deepcopy
from typing import Any

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate, WorkPoolCreate
from prefect.exceptions import ObjectNotFound
from prefect.workers.base import BaseWorker

from blocks import LLMProvider, OllamaHost
from deployments.plan import Plan, PoolPlan, QueuePlan
from vera_orchestrator.errors import NotConfigured

PAGE = 200


async def apply_plan(client: PrefectClient, plan: Plan, pools: Collection[str] = ()) -> AsyncIterator[str]:
    """Create what is missing and set the priorities of the queues; yield one line about each change.

    Of pools and limits that exist nothing is changed: they may have been adjusted in Prefect's UI. `pools` names the
    pools, else they are those applied by default. Raises NotFound for an unknown one.
    """
    for pool in plan.chosen(pools):
        async for line in _pool(client, pool):
            yield line
        for queue in sorted(plan.queues, key=lambda queue: queue.priority):
            async for line in _queue(client, pool.name, queue):
                yield line
    async for line in _limits(client, plan.limits):
        yield line
    async for line in _block_types(client):
        yield line


async def _pool(client: PrefectClient, pool: PoolPlan) -> AsyncIterator[str]:
    try:
        await client.read_work_pool(pool.name)
    except ObjectNotFound:
        template = job_template(pool)
        await client.create_work_pool(
            WorkPoolCreate(name=pool.name, type=pool.type, description=pool.description, base_job_template=template)
        )
        yield f"created work pool {pool.name} ({pool.type})"


async def _queue(client: PrefectClient, pool: str, queue: QueuePlan) -> AsyncIterator[str]:
    # Prefect moves the other queues of the pool down when one gets their priority, so the order of calls counts.
    try:
        found = await client.read_work_queue_by_name(queue.name, work_pool_name=pool)
    except ObjectNotFound:
        await client.create_work_queue(queue.name, priority=queue.priority, work_pool_name=pool)
        yield f"created work queue {pool}/{queue.name} with priority {queue.priority}"
        return
    if found.priority != queue.priority:
        await client.update_work_queue(found.id, priority=queue.priority)
        yield f"gave work queue {pool}/{queue.name} priority {queue.priority} (it had {found.priority})"


async def _limits(client: PrefectClient, limits: Mapping[str, int]) -> AsyncIterator[str]:
    known = {limit.name for limit in await client.read_global_concurrency_limits(limit=PAGE)}
    for kind, number in limits.items():
        name = f"vera-{kind}"
        if name not in known:
            await client.create_global_concurrency_limit(
                GlobalConcurrencyLimitCreate(name=name, limit=number, active=False)
            )
            yield f"created concurrency limit {name} = {number} (inactive)"


async def _block_types(client: PrefectClient) -> AsyncIterator[str]:
    """Make the types of blocks known, so that Prefect's UI offers them."""
    for block in (LLMProvider, OllamaHost):
        slug = block.get_block_type_slug()
        try:
            await client.read_block_type_by_slug(slug)
        except ObjectNotFound:
            await block.aregister_type_and_schema(client=client)
            yield f"created block type {slug}"


def job_template(pool: PoolPlan) -> dict[str, Any]:
    """Return the job template of a pool's type with the pool's defaults.

    Raises NotConfigured for a type that is not installed, or a variable that it does not have.
    """
    worker = BaseWorker.get_worker_class_from_type(pool.type)
    if worker is None:
        installed = ", ".join(BaseWorker.get_all_available_worker_types())
        raise NotConfigured(
            f"workers of type {pool.type!r} are not installed.", field=pool.name, remedy=f"Use {installed}."
        )
    template = deepcopy(worker.get_default_base_job_template())
    variables: dict[str, dict[str, Any]] = template["variables"]["properties"]
    for name, value in pool.variables.items():
        if name not in variables:
            raise NotConfigured(
                f"a {pool.type} pool has no variable {name!r}.", field=pool.name, remedy=f"Use {', '.join(variables)}."
            )
        variables[name]["default"] = value
    return template
