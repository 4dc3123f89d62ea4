"""`python -m deployments` against a real server."""

from __future__ import annotations

from prefect.client.orchestration import PrefectClient

from tests.flows.station import Station

POOL = "vera-process"
QUEUES = {"critical": 1, "high": 2, "normal": 3, "low": 4, "background": 5, "default": 6}


def priorities(station: Station) -> dict[str, int]:
    async def read(client: PrefectClient) -> dict[str, int]:
        queues = await client.read_work_queues(work_pool_name=POOL)
        return {queue.name: queue.priority for queue in queues}

    return station.ask(read)


def test_pool_queues_and_limits_are_there_and_were_told(station: Station) -> None:
    assert station.applied.code == 0, station.applied.output
    assert priorities(station) == QUEUES
    assert f"created work pool {POOL} (process)" in station.applied.output
    assert f"created work queue {POOL}/critical with priority 1" in station.applied.output


def test_limits_limit_nothing_until_somebody_switches_them_on(station: Station) -> None:
    async def read(client: PrefectClient) -> dict[str, bool]:
        limits = await client.read_global_concurrency_limits(limit=200)
        return {limit.name: limit.active for limit in limits if limit.name.startswith("vera-")}

    found = station.ask(read)
    assert "vera-llm_request" in found
    assert not any(found.values())


def test_prefects_ui_offers_the_types_of_blocks(station: Station) -> None:
    async def read(client: PrefectClient) -> set[str]:
        return {found.slug for found in await client.read_block_types()}

    assert {"llm-provider", "ollama-host"} <= station.ask(read)
    assert "created block type llm-provider" in station.applied.output


def test_priorities_are_set_right_and_a_second_time_nothing_is_left_to_do(station: Station) -> None:
    async def spoil(client: PrefectClient) -> None:
        queue = await client.read_work_queue_by_name("low", work_pool_name=POOL)
        await client.update_work_queue(queue.id, priority=1)

    station.ask(spoil)
    again = station.command("deployments", "apply").ended()
    assert again.code == 0, again.output
    assert f"{POOL}/low priority 4" in again.output
    assert priorities(station) == QUEUES
    assert "nothing to change" in station.command("deployments", "apply").ended().output


def test_env_gives_what_a_client_of_the_running_server_needs(station: Station) -> None:
    ended = station.command("deployments", "env").ended()
    assert ended.code == 0
    lines = ended.output.splitlines()
    assert lines[0].startswith("# ")
    assert lines[1:] == [f"export {name}={value}" for name, value in station.address.client_settings.items()]
