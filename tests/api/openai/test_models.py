"""The list of models."""

from __future__ import annotations

import openai
import pytest

from tests.api.openai.stage import Stage

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_classes_and_models_are_listed_once(stage: Stage) -> None:
    names = [model.id async for model in stage.client.models.list()]
    assert names == ["auto", "fast", "deep", "m"]


@pytest.mark.parametrize("name", ["auto", "m", "openai/m", "gemini/m"])
async def test_one_model_is_shown(stage: Stage, name: str) -> None:
    assert (await stage.client.models.retrieve(name)).id == name


async def test_a_model_that_is_not_there(stage: Stage) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        await stage.client.models.retrieve("nothing")
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")


async def test_a_path_that_is_not_there_says_so_to_the_client(stage: Stage) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        await stage.client.files.list()
    assert (caught.value.code, caught.value.type, caught.value.param) == ("not_found", "invalid_request_error", None)
