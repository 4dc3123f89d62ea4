"""The dashboard and the alerts ask for metrics that there are."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from api.app import create_app
from tests.api.support import LOCAL, echoing

FOLDER = Path(__file__).parents[2] / "deployments" / "grafana"
SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum"), "gauge": ("",)}
METRIC = re.compile(r"\b(?:vera|process)_\w+")


@pytest.fixture(scope="module")
def board() -> dict[str, Any]:
    return json.loads((FOLDER / "dashboard.json").read_text())


@pytest.fixture(scope="module")
def alerts() -> list[dict[str, Any]]:
    groups: list[dict[str, Any]] = yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


async def exported(home: Path) -> set[str]:
    """Return the names of all samples that the page can have."""
    transport = httpx.ASGITransport(create_app(echoing(home)), client=("127.0.0.1", 50_000))
    async with httpx.AsyncClient(transport=transport, base_url=LOCAL) as client:
        text = (await client.get("/metrics")).text
    families: list[Metric] = list(text_string_to_metric_families(text))
    return {family.name + suffix for family in families for suffix in SUFFIXES.get(family.type, ())}


async def test_each_metric_that_is_asked_for_exists(
    board: dict[str, Any], alerts: list[dict[str, Any]], tmp_path: Path
) -> None:
    asked = [target["expr"] for panel in board["panels"] for target in panel.get("targets", ())]
    asked += [variable["definition"] for variable in board["templating"]["list"] if "definition" in variable]
    asked += [rule["expr"] for rule in alerts]
    named = {name for expression in asked for name in METRIC.findall(expression)}

    assert len(named) > 20
    assert named <= await exported(tmp_path)


def test_panels_stand_beside_each_other_and_read_the_source_that_was_chosen(board: dict[str, Any]) -> None:
    panels = board["panels"]
    places = [panel["gridPos"] for panel in panels]
    cells = [
        (x, y)
        for place in places
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]

    assert len(cells) == len(set(cells))
    assert all(x < 24 for x, _ in cells)
    assert len({panel["id"] for panel in panels}) == len(panels)
    sources = {panel["datasource"]["uid"] for panel in panels if "datasource" in panel}
    assert sources == {"${datasource}"}


def test_prometheus_is_told_where_the_page_is() -> None:
    config = yaml.safe_load((FOLDER / "prometheus.yml").read_text())

    assert config["scrape_configs"][0]["metrics_path"] == "/metrics"
    assert all((FOLDER / name).is_file() for name in config["rule_files"])
