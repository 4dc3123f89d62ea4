"""Keys in the usual environment variables."""

from __future__ import annotations

import pytest

from blocks.environment import providers_in

URL = "http://127.0.0.1:9"


@pytest.mark.parametrize(
    ("variable", "address", "kind"),
    [
        ("OPENAI_API_KEY", "OPENAI_BASE_URL", "openai"),
        ("ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL", "anthropic"),
        ("GEMINI_API_KEY", "GOOGLE_GEMINI_BASE_URL", "gemini"),
        ("GOOGLE_API_KEY", "GOOGLE_GEMINI_BASE_URL", "gemini"),
    ],
)
def test_a_key_is_found_with_the_address_it_is_for(variable: str, address: str, kind: str) -> None:
    (with_address,) = providers_in({variable: "k", address: URL})
    (without,) = providers_in({variable: "k"})
    assert (with_address.kind, with_address.base_url) == (kind, URL)
    assert (without.kind, without.base_url) == (kind, None)
    assert with_address.api_key.get_secret_value() == "k"


def test_one_key_for_gemini_counts_though_both_names_are_set() -> None:
    (found,) = providers_in({"GOOGLE_API_KEY": "general", "GEMINI_API_KEY": "special"})
    assert found.api_key.get_secret_value() == "special"


def test_keys_of_all_providers_are_found_at_once() -> None:
    found = providers_in({"OPENAI_API_KEY": "a", "ANTHROPIC_API_KEY": "b", "GEMINI_API_KEY": "c"})
    assert [provider.kind for provider in found] == ["openai", "anthropic", "gemini"]


def test_an_empty_variable_is_no_key() -> None:
    assert list(providers_in({"OPENAI_API_KEY": "", "ANTHROPIC_API_KEY": " ", "OPENAI_BASE_URL": URL})) == []
