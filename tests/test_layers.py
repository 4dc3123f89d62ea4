"""Each folder imports only what stands to its left, and Prefect stays in its places."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LAYERS = ["vera_orchestrator", "blocks", "tasks", "flows", "BackgroundCognition", "api"]
PREFECT_FOLDERS = ("vera_orchestrator/engine", "blocks", "tasks", "flows", "deployments")
# the re-export of `register_routes` is the one arrow that points the other way; nobody inside imports it
EXCEPTIONS = {("BackgroundCognition/orchestrator/api_integration.py", "api")}
PURE = (
    "graph",
    "substitution",
    "scheduling",
    "lane",
    "fairness",
    "tally",
    "routing",
    "quota",
    "windows",
    "reservation",
    "pricing",
    "usage",
    "money",
)
EFFECTS = frozenset({"asyncio", "httpx", "prefect", "socket", "sqlalchemy", "subprocess", "threading", "time"})


def imports_of(path: Path) -> Iterator[str]:
    """Yield the names of the modules that a file imports when it runs (not those for type checkers only)."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            node.body.clear()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def files(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_imports_only_layers_to_its_left(layer: str) -> None:
    to_the_right = set(LAYERS[LAYERS.index(layer) + 1 :])
    wrong = [
        f"{path.relative_to(ROOT)} imports {module}"
        for path in files(layer)
        for module in imports_of(path)
        if module.split(".")[0] in to_the_right
        and (str(path.relative_to(ROOT)), module.split(".")[0]) not in EXCEPTIONS
    ]
    assert files(layer), f"there is no folder {layer}"
    assert wrong == []


def test_nobody_inside_imports_the_api_re_export() -> None:
    wrong = [
        str(path.relative_to(ROOT))
        for layer in LAYERS
        for path in files(layer)
        if "BackgroundCognition.orchestrator.api_integration" in imports_of(path)
    ]
    assert wrong == []


def test_prefect_is_imported_only_where_it_belongs() -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {module}"
        for layer in LAYERS
        for path in files(layer)
        if not str(path.relative_to(ROOT)).startswith(PREFECT_FOLDERS)
        for module in imports_of(path)
        if module.split(".")[0] == "prefect"
    ]
    assert wrong == []


@pytest.mark.parametrize("name", PURE)
def test_decisions_are_pure(name: str) -> None:
    modules = {module.split(".")[0] for module in imports_of(ROOT / "vera_orchestrator" / f"{name}.py")}
    assert modules & EFFECTS == set()


def test_no_file_has_a_wildcard_import() -> None:
    wrong = [
        str(path.relative_to(ROOT))
        for layer in LAYERS
        for path in files(layer)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names)
    ]
    assert wrong == []
