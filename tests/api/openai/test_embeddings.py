"""Embeddings by the official client."""

from __future__ import annotations

from typing import Any

import openai
import pytest

from tests.api.openai.stage import Stage

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize("model", ["openai/m", "gemini/m"])
async def test_texts_become_vectors_in_their_order(stage: Stage, model: str) -> None:
    both = await stage.client.embeddings.create(model=model, input=["one", "two"], dimensions=8)
    two = await stage.client.embeddings.create(model=model, input="two", dimensions=8)
    assert [one.index for one in both.data] == [0, 1]
    assert both.data[1].embedding == two.data[0].embedding
    assert len(two.data[0].embedding) == 8
    assert both.usage.prompt_tokens == both.usage.total_tokens


async def test_base64_holds_the_same_numbers_in_32_bits(stage: Stage) -> None:
    asked: Any = {"model": "openai/m", "input": "one"}
    plain = await stage.client.embeddings.create(**asked, encoding_format="float")
    packed = await stage.client.embeddings.create(**asked)  # the client asks for base64 and reads it
    assert packed.data[0].embedding == pytest.approx(plain.data[0].embedding, abs=1e-6)


@pytest.mark.parametrize("given", [[1, 2, 3], [[1, 2]], [], "", [""]])
async def test_what_is_no_text_is_refused(stage: Stage, given: Any) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        await stage.client.embeddings.create(model="openai/m", input=given)
    assert (caught.value.param or "").startswith("input")


async def test_any_model_will_not_do(stage: Stage) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        await stage.client.embeddings.create(model="auto", input="one")
    assert caught.value.param == "model"
