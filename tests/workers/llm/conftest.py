from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.http.server import Server, serving
from tests.workers.llm.model import llama_server, write_model

KEY = "sk-test-0123456789"
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep every request of these tests on loopback."""
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture(scope="session")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real llama.cpp server, whose only key is KEY."""
    path: Path = tmp_path_factory.mktemp("model") / "random.gguf"
    write_model(path)
    with llama_server(path, key=KEY) as address:
        yield address


@pytest.fixture
def simulated_provider() -> Iterator[Server]:
    """A server that a test lets answer like a provider; for what a real one cannot be made to answer."""
    with serving() as running:
        yield running
