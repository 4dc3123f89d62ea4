"""The figures of requests to language models, their table, and their goals: pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from statistics import median
from typing import Any

from benchmarks.findings import percentile

AT_A_TIME = (1, 8, 64)
GOALS_AT = 8


class Way(StrEnum):
    """How a request gets to the server."""

    DIRECT = "direct"
    OURS = "this project"
    IN_PROCESS = "this project, in the process"
    LITELLM = "LiteLLM's proxy"


@dataclass(frozen=True, kw_only=True)
class Figures:
    """One way with so many requests at a time.

    `rate`, in requests per second, and `processor_ms`, the time of processors that a request takes outside the model's
    server, are medians of the rounds; the other two are of all requests.
    """

    rate: float
    median_ms: float
    p95_ms: float
    processor_ms: float


@dataclass(frozen=True, kw_only=True)
class Reached:
    """A goal in words, the value for it, and whether it was reached."""

    goal: str
    value: float
    reached: bool


class LLMFindings:
    """Collects what the rounds give before a server that works on `slots` requests at a time."""

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self._rates: dict[tuple[int, Way], list[float]] = {}
        self._times: dict[tuple[int, Way], list[float]] = {}
        self._processor: dict[tuple[int, Way], list[float]] = {}

    def add(self, at_a_time: int, way: Way, *, seconds: float, times: list[float], processor: float) -> None:
        """Add a round: the seconds that it took and used of processors, and the milliseconds of each request."""
        self._rates.setdefault((at_a_time, way), []).append(len(times) / seconds)
        self._times.setdefault((at_a_time, way), []).extend(times)
        self._processor.setdefault((at_a_time, way), []).append(processor * 1e3 / len(times))

    def figures(self, at_a_time: int, way: Way) -> Figures:
        """Return what was found; raises KeyError where nothing was."""
        times = self._times[at_a_time, way]
        rate = median(self._rates[at_a_time, way])
        used = median(self._processor[at_a_time, way])
        return Figures(rate=rate, median_ms=median(times), p95_ms=percentile(times, 0.95), processor_ms=used)

    def added_ms(self, at_a_time: int, way: Way) -> float:
        """Return by how much a way's median is above that of going directly."""
        return self.figures(at_a_time, way).median_ms - self.figures(at_a_time, Way.DIRECT).median_ms

    def goals(self) -> list[Reached]:
        """Return how the goals stand."""
        ours, direct, litellm = (self.figures(GOALS_AT, way).rate for way in (Way.OURS, Way.DIRECT, Way.LITELLM))
        added, theirs = self.added_ms(GOALS_AT, Way.OURS), self.added_ms(GOALS_AT, Way.LITELLM)
        share = added / theirs if theirs > 0 else float("inf")
        return [
            Reached(goal="rate ≥ 3 times LiteLLM's", value=ours / litellm, reached=ours >= 3 * litellm),
            Reached(goal="rate ≥ 0.6 times the direct one", value=ours / direct, reached=ours >= 0.6 * direct),
            Reached(goal="added median ≤ 0.25 times LiteLLM's", value=share, reached=share <= 0.25),
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return all of it, with the rate of each round."""
        return {
            "slots": self.slots,
            "figures": [
                {
                    "at_a_time": number,
                    "way": str(way),
                    "rates": rates,
                    "median_ms": self.figures(number, way).median_ms,
                    "p95_ms": self.figures(number, way).p95_ms,
                    "processor_ms": self.figures(number, way).processor_ms,
                    "added_median_ms": self.added_ms(number, way),
                }
                for (number, way), rates in self._rates.items()
            ],
            "goals": [{"goal": one.goal, "value": one.value, "reached": one.reached} for one in self.goals()],
        }


def table(findings: LLMFindings) -> str:
    """Return the figures in Markdown, with the goals below."""
    lines = [
        "| at a time | way | requests/s | beside direct | beside LiteLLM | median, ms | added | 95th % | processor |",
        "| ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
        *(_line(findings, number, way) for number in AT_A_TIME for way in Way),
        "",
        *(
            f"- At {GOALS_AT} at a time, the model's server with {findings.slots} slots, {one.goal}: "
            f"{one.value:.2f}, {'reached' if one.reached else 'NOT reached'}."
            for one in findings.goals()
        ),
    ]
    return "\n".join(lines)


def _line(findings: LLMFindings, number: int, way: Way) -> str:
    one = findings.figures(number, way)
    direct, litellm = (findings.figures(number, other).rate for other in (Way.DIRECT, Way.LITELLM))
    added = "" if way is Way.DIRECT else f"{findings.added_ms(number, way):.1f}"
    cells = (
        f"{number}",
        way,
        f"{one.rate:,.0f}",
        f"{one.rate / direct:.2f}",
        f"{one.rate / litellm:.2f}",
        f"{one.median_ms:,.1f}",
        added,
        f"{one.p95_ms:,.1f}",
        f"{one.processor_ms:.1f}",
    )
    return f"| {' | '.join(cells)} |"
