"""What was measured: samples by quantity and subject."""

from __future__ import annotations

import math
from collections.abc import Iterable
from statistics import median
from typing import Any

from benchmarks.plan import Subject


def percentile(values: Iterable[float], share: float) -> float:
    """Return the smallest value that is not below `share` of the values."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


class Findings:
    """Collects samples; a quantity is named in lower case, its unit belongs to the report.

    `notes` are sentences about the run that belong under the table.
    """

    def __init__(self) -> None:
        self._samples: dict[str, dict[Subject, list[float]]] = {}
        self.notes: list[str] = []

    def add(self, quantity: str, subject: Subject, values: Iterable[float]) -> None:
        """Add samples."""
        self._samples.setdefault(quantity, {}).setdefault(subject, []).extend(values)

    def median(self, quantity: str, subject: Subject) -> float | None:
        """Return the median, or None where nothing was measured."""
        values = self._samples.get(quantity, {}).get(subject)
        return median(values) if values else None

    def percentile(self, quantity: str, subject: Subject, share: float) -> float | None:
        """Return a percentile, or None where nothing was measured."""
        values = self._samples.get(quantity, {}).get(subject)
        return percentile(values, share) if values else None

    def to_dict(self) -> dict[str, Any]:
        """Return count, median, 5th and 95th percentile of every quantity and subject."""
        return {
            quantity: {
                str(subject): {
                    "samples": len(values),
                    "median": median(values),
                    "p5": percentile(values, 0.05),
                    "p95": percentile(values, 0.95),
                }
                for subject, values in subjects.items()
            }
            for quantity, subjects in self._samples.items()
        }
