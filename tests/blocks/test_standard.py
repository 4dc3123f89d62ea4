"""Prefect's own suite for blocks."""

from __future__ import annotations

import pytest
from prefect.blocks.core import Block
from prefect.testing.standard_test_suites.blocks import BlockStandardTestSuite

from blocks import LLMProvider, OllamaHost
from blocks.pages import LOGO


class TestBlocks(BlockStandardTestSuite):
    @pytest.fixture(params=[LLMProvider, OllamaHost])
    def block(self, request: pytest.FixtureRequest) -> type[Block]:
        return request.param

    def test_has_a_valid_image(self, block: type[Block]) -> None:
        """Prefect's own test loads the picture from the internet, which tests do not."""
        url = LOGO
        assert getattr(block, "_logo_url") == url  # noqa: B009 - a name that Prefect gives to the class
        assert (url.scheme, url.host) == ("https", "raw.githubusercontent.com")
        assert (url.path or "").endswith(".png")
