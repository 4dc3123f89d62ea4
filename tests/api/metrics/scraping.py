"""A reader of `/metrics`."""

from __future__ import annotations

from dataclasses import dataclass

import httpx
from prometheus_client.parser import text_string_to_metric_families


@dataclass(frozen=True)
class Scraper:
    """Reads the page of an app."""

    client: httpx.AsyncClient

    async def page(self) -> dict[str, list[tuple[dict[str, str], float]]]:
        """Return the samples by name."""
        response = await self.client.get("/metrics")
        assert response.status_code == 200, response.text
        found: dict[str, list[tuple[dict[str, str], float]]] = {}
        for family in text_string_to_metric_families(response.text):
            for sample in family.samples:
                found.setdefault(sample.name, []).append((sample.labels, sample.value))
        return found

    async def value(self, name: str, **labels: str) -> float:
        """Return the sum of the samples with these labels."""
        samples = (await self.page()).get(name, [])
        return sum(value for found, value in samples if labels.items() <= found.items())
