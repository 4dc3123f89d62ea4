"""The load on language models, and the real server that it goes to."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from pathlib import Path

import pytest

from benchmarks.llm import BEGIN, END, README
from benchmarks.llm_load import Load
from benchmarks.llm_peers import litellm_config, open_direct, open_llama


async def test_so_many_callers_have_one_request_each_on_the_way() -> None:
    running, most = 0, 0
    full = asyncio.Event()

    async def once(prompt: str) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        if running == 3:
            full.set()
        await full.wait()
        running -= 1

    answer = await Load(once).offer(10, 3)

    assert most == 3
    assert len(answer["ms"]) == 10


async def test_no_prompt_is_sent_twice() -> None:
    prompts: list[str] = []

    async def once(prompt: str) -> None:
        prompts.append(prompt)

    load = Load(once)
    await load.offer(5, 2)
    await load.offer(5, 2)

    assert len(set(prompts)) == 10


async def test_a_request_that_fails_ends_the_measurement() -> None:
    async def once(prompt: str) -> None:
        raise RuntimeError("the reason")

    with pytest.raises(ExceptionGroup) as caught:
        await Load(once).offer(4, 2)

    assert caught.group_contains(RuntimeError, match="the reason")


def test_a_client_measures_a_real_server(tmp_path: Path) -> None:
    with ExitStack() as stack:
        _, url = open_llama(stack, tmp_path, 1)
        station = open_direct(stack, tmp_path, url)

        answer = station.ask("offer", count=6, at_a_time=3)

    assert len(answer["ms"]) == 6
    assert 0 < max(answer["ms"]) <= answer["seconds"] * 1e3


def test_the_proxy_is_told_the_one_server_and_never_to_try_again() -> None:
    config = litellm_config("http://127.0.0.1:1/v1")

    assert "http://127.0.0.1:1/v1" in str(config["model_list"])
    assert config["router_settings"] == {"num_retries": 0}


def test_the_projects_own_readme_has_the_markers() -> None:
    text = README.read_text()

    assert text.count(BEGIN) == 1
    assert text.count(END) == 1
