"""`python -m benchmarks.several`: no-ops through one, two and three orchestrators on one journal.

Each journal is measured with each number of orchestrators in turns, a round at a time. What limits a combination is
read from the processors: that of the busiest orchestrator, and that of the database.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.fernet import Fernet

from benchmarks.children import Child, clean_environment, processor_seconds
from benchmarks.environments import scratch
from benchmarks.report import machine_text, replace_block
from benchmarks.station import Station
from tests.services.ports import free_port
from tests.services.postgres import PostgresCluster
from tests.services.processes import Process

README = Path(__file__).with_name("README.md")
BEGIN = "<!-- several: written by `python -m benchmarks.several --write-readme` -->"
END = "<!-- end of several -->"
NUMBERS = (1, 2, 3)
DURABLE = {"fsync": "on", "full_page_writes": "on"}
JOURNALS = {
    "SQLite": None,
    "PostgreSQL": {**DURABLE, "synchronous_commit": "on"},
    "PostgreSQL, commit not awaited": {**DURABLE, "synchronous_commit": "off"},
}


@dataclass
class Sample:
    """What was measured of one journal with so many orchestrators: rates per second, all of them together."""

    single: list[float] = field(default_factory=list[float])
    batch: list[float] = field(default_factory=list[float])
    ms: list[float] = field(default_factory=list[float])
    members: list[float] = field(default_factory=list[float])
    database: list[float] = field(default_factory=list[float])


@contextmanager
def database(settings: dict[str, str] | None, folder: Path) -> Generator[tuple[str, Process | None]]:
    """Give the address of an empty journal and the process of its server."""
    if settings is None:
        yield f"sqlite:///{folder / 'journal.db'}", None
        return
    cluster = PostgresCluster(folder / "postgres", free_port(), settings=settings)
    cluster.create()
    cluster.start()
    try:
        yield cluster.url(), cluster.process
    finally:
        cluster.remove()


@contextmanager
def members(number: int, url: str, folder: Path) -> Generator[list[Station]]:
    """Give so many started orchestrators, each with a state folder of its own."""
    # not as an argument, which everybody can read: the address holds a password
    environment = clean_environment({"VERA_DATABASE_URL": url, "VERA_SEAL_KEY": Fernet.generate_key().decode()})
    with ExitStack() as stack:
        found: list[Station] = []
        for place in range(number):
            command = [sys.executable, "-m", "benchmarks.several_driver", str(folder / f"home-{place}")]
            log = folder / f"member-{place}.log"
            child = Child(f"orchestrator {place}", command, log=log, environment=environment, piped=True)
            station = Station(f"orchestrator {place}", child)
            stack.callback(station.close)
            station.ask("start")
            found.append(station)
        yield found


def together(stations: Sequence[Station], command: str, count: int) -> tuple[float, float]:
    """Let all do the same at once; return the rate of all, and the share of a processor of the busiest."""
    with ThreadPoolExecutor(len(stations)) as threads:
        began = time.perf_counter()
        asked = [threads.submit(station.ask, command, count=count) for station in stations]
        answers = [answer.result() for answer in asked]
        seconds = time.perf_counter() - began
    return len(stations) * count / seconds, max(answer["processor"] / answer["seconds"] for answer in answers)


def measure(number: int, settings: dict[str, str] | None, count: int, sample: Sample, folder: Path) -> None:
    """Add one round to a sample."""
    with database(settings, folder) as (url, server), members(number, url, folder) as stations:
        together(stations, "single", 300)  # warm-up
        sample.ms += stations[0].latency(200)
        began, used = time.perf_counter(), family_seconds(server)
        rate, busiest = together(stations, "single", count)
        if server is not None:
            sample.database.append((family_seconds(server) - used) / (time.perf_counter() - began))
        sample.single.append(rate)
        sample.members.append(busiest)
        sample.batch.append(together(stations, "batch", count)[0])


def family_seconds(server: Process | None) -> float:
    """Return the processor time of a server and its children so far."""
    family = [server, *server.children()] if server is not None else []
    return sum(processor_seconds(one.pid) for one in family)


def table(samples: dict[tuple[str, int], Sample]) -> str:
    """Return the figures in Markdown; in brackets beside one orchestrator on SQLite."""
    median = statistics.median
    base = samples["SQLite", 1]
    lines = [
        "| journal | orchestrators | one after the other, ms | singles/s | in batches/s | busiest member | database |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for (journal, number), one in samples.items():
        single, batch = median(one.single), median(one.batch)
        server = f"{median(one.database):.0%}" if one.database else "-"
        lines.append(
            f"| {journal} | {number} | {median(one.ms):.2f} | {single:,.0f} ({single / median(base.single):.2f})"
            f" | {batch:,.0f} ({batch / median(base.batch):.2f}) | {median(one.members):.0%} | {server} |"
        )
    return "\n".join(lines)


def main() -> int:
    """Measure, show the table, and write it where asked."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.several", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="rounds of each combination (3)")
    parser.add_argument("--count", type=int, default=2_000, help="no-ops of each orchestrator in a round (2,000)")
    parser.add_argument("--write-readme", action="store_true", help="replace the figures in benchmarks/README.md")
    options = parser.parse_args()
    samples = {(journal, number): Sample() for journal in JOURNALS for number in NUMBERS}
    for turn in range(options.rounds):
        for (journal, number), sample in samples.items():
            sys.stderr.write(f"round {turn + 1} of {options.rounds}: {number} on {journal}\n")
            folder = Path(tempfile.mkdtemp(prefix="several-", dir=scratch()))
            try:
                measure(number, JOURNALS[journal], options.count, sample, folder)
            finally:
                shutil.rmtree(folder, ignore_errors=True)
    figures = f"{machine_text()}\n\n{table(samples)}"
    sys.stdout.write(f"{figures}\n")
    if options.write_readme:
        replace_block(README, BEGIN, END, figures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
