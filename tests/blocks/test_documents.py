"""The names of blocks."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from blocks.documents import document_name


def test_an_id_that_can_be_a_name_is_the_name() -> None:
    assert document_name("openai-0a1b2c3d4e") == "openai-0a1b2c3d4e"


@given(st.text(min_size=1))
def test_every_id_gives_a_name_that_prefect_takes(worker_id: str) -> None:
    assert re.fullmatch("[a-z0-9]+(-[a-z0-9]+)*", document_name(worker_id))


@given(st.lists(st.text("aB-_. 1", min_size=1, max_size=4), min_size=2, max_size=8, unique=True))
def test_different_ids_give_different_names(worker_ids: list[str]) -> None:
    assert len({document_name(worker_id) for worker_id in worker_ids}) == len(worker_ids)
