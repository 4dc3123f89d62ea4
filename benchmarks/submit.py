"""`python -m benchmarks.submit`: tasks submitted over REST, 1, 8 and 64 at a time, the journal on each database."""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.fernet import Fernet

from benchmarks.children import Child, free_port, processor_seconds, settle
from benchmarks.environments import scratch
from benchmarks.findings import percentile
from benchmarks.llm_peers import open_client, wait_ready
from benchmarks.prefect_peer import PrefectServer
from benchmarks.report import machine_text, replace_block
from benchmarks.several import JOURNALS, database, family_seconds

README = Path(__file__).with_name("README.md")
BEGIN = "<!-- submit: written by `python -m benchmarks.submit --write-readme` -->"
END = "<!-- end of submit -->"
AT_A_TIME = (1, 8, 64)
DATABASES = ("SQLite", "PostgreSQL")
WARM_UP = 300


@dataclass
class Sample:
    """What was measured: rates per second and the share of a processor of the server and the database, by round."""

    rates: list[float] = field(default_factory=list[float])
    ms: list[float] = field(default_factory=list[float])
    server: list[float] = field(default_factory=list[float])
    database: list[float] = field(default_factory=list[float])


Samples = dict[tuple[str, int], Sample]


def measure(journal: str, count: int, samples: Samples, folder: Path) -> None:
    """Add one round of a journal, with each number at a time."""
    with ExitStack() as stack:
        url, process = stack.enter_context(database(JOURNALS[journal], folder))
        prefect = PrefectServer(stack, folder, "prefect")
        prefect.wait_ready()
        port = free_port()
        settings = {
            "VERA_HOME": str(folder / "home"),
            "VERA_DATABASE_URL": url,
            "VERA_SEAL_KEY": Fernet.generate_key().decode(),
        }
        server = Child(
            "the server",
            [sys.executable, "-m", "benchmarks.submit_server", str(port)],
            log=folder / "server.log",
            environment={**prefect.environment, **settings},
        )
        stack.callback(server.stop)
        address = f"http://127.0.0.1:{port}/api/v2/orchestrator"
        wait_ready(server, f"{address}/health")
        client = open_client(stack, folder, "submit", f"{address}/tasks/submit", server, key="", form="submit")
        client.ask("offer", count=WARM_UP, at_a_time=max(AT_A_TIME))
        for at_a_time in AT_A_TIME:
            settle([*client.leaders, prefect.child.pid])
            used, used_there = processor_seconds(server.pid), family_seconds(process)
            answer = client.ask("offer", count=count, at_a_time=at_a_time)
            seconds = answer["seconds"]
            sample = samples[journal, at_a_time]
            sample.rates.append(count / seconds)
            sample.ms += answer["ms"]
            sample.server.append((processor_seconds(server.pid) - used) / seconds)
            sample.database.append((family_seconds(process) - used_there) / seconds)


def table(samples: Samples) -> str:
    """Return the figures in Markdown."""
    median = statistics.median
    lines = [
        "| journal | at a time | tasks/s | median, ms | 99th %, ms | server | database |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for (journal, at_a_time), one in samples.items():
        shares = f"{median(one.server):.0%} | {median(one.database):.0%}" if one.server else "- | -"
        lines.append(
            f"| {journal} | {at_a_time} | {median(one.rates):,.0f} | {median(one.ms):.1f}"
            f" | {percentile(one.ms, 0.99):.1f} | {shares} |"
        )
    return "\n".join(lines)


def main() -> int:
    """Measure, show the table, and write it where asked."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.submit", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="rounds of each journal (3)")
    parser.add_argument("--count", type=int, default=1_500, help="tasks with each number at a time in a round (1,500)")
    parser.add_argument("--write-readme", action="store_true", help="replace the figures in benchmarks/README.md")
    options = parser.parse_args()
    samples: Samples = {(journal, number): Sample() for journal in DATABASES for number in AT_A_TIME}
    for turn in range(options.rounds):
        for journal in DATABASES:
            sys.stderr.write(f"round {turn + 1} of {options.rounds}: {journal}\n")
            folder = Path(tempfile.mkdtemp(prefix="submit-", dir=scratch()))
            try:
                measure(journal, options.count, samples, folder)
            finally:
                shutil.rmtree(folder, ignore_errors=True)
    figures = f"{machine_text()}\n\n{table(samples)}"
    sys.stdout.write(f"{figures}\n")
    if options.write_readme:
        replace_block(README, BEGIN, END, figures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
