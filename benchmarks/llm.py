"""`python -m benchmarks.llm`: requests to a llama.cpp server, straight, through this project and through LiteLLM.

All ways reach the same server and take turns, a round at a time; those over HTTP have the same plain client.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from benchmarks.children import ChildFailed, processor_seconds, settle
from benchmarks.environments import scratch
from benchmarks.llm_figures import AT_A_TIME, LLMFindings, Way, table
from benchmarks.llm_peers import open_direct, open_in_process, open_litellm, open_llama, open_ours
from benchmarks.prefect_peer import PrefectServer
from benchmarks.report import machine_text, replace_block
from benchmarks.station import Station

README = Path(__file__).with_name("README.md")
BEGIN = "<!-- llm: written by `python -m benchmarks.llm --write-readme` -->"
END = "<!-- end of llm -->"
MODEL_SLOTS = 4
"""What llama.cpp's server works on at a time: as many as it chooses by itself."""
ONE_AT_A_TIME_FEWER = 5
WARM_UP = 100
WARM_UP_AT_A_TIME = (4, 16, 64)  # opens as many connections, not all at once
TURN_BEGINS_WITH = 4
"""A part of a turn's requests, one in so many, is sent first and not counted: what is measured is a steady load."""


def measure(
    rounds: int, count: int, folder: Path, say: Callable[[str], None], *, slots: int = MODEL_SLOTS
) -> LLMFindings:
    """Send `count` requests each way, with several at a time, in each round, and a fifth of them one at a time.

    The model's server works on `slots` of them at a time. Raises ChildFailed.

    State and logs are in `folder`. Whatever was started is stopped on every way out.
    """
    findings = LLMFindings(slots)
    with ExitStack() as stack:
        say("starting llama.cpp, LiteLLM, Prefect and the clients")
        llama, url = open_llama(stack, folder, slots)
        servers = {way: PrefectServer(stack, folder, f"prefect-{way.name}") for way in (Way.OURS, Way.IN_PROCESS)}
        for server in servers.values():
            server.wait_ready()
        stations = {
            Way.DIRECT: open_direct(stack, folder, url),
            Way.OURS: open_ours(stack, folder, url, servers[Way.OURS]),
            Way.IN_PROCESS: open_in_process(stack, folder, url, servers[Way.IN_PROCESS]),
            Way.LITELLM: open_litellm(stack, folder, url),
        }
        for station in stations.values():
            for at_a_time in WARM_UP_AT_A_TIME:
                station.ask("offer", count=WARM_UP, at_a_time=at_a_time)
        leaders = [llama.pid, *(leader for one in stations.values() for leader in one.leaders)]
        for turn in range(rounds):
            for place, at_a_time in enumerate(AT_A_TIME):
                for way in _order(turn + place):
                    settle(leaders)
                    say(f"{at_a_time} at a time, round {turn + 1} of {rounds}: {way}")
                    sent = count if at_a_time > 1 else count // ONE_AT_A_TIME_FEWER
                    stations[way].ask("offer", count=sent // TURN_BEGINS_WITH, at_a_time=at_a_time)
                    used = _processor_seconds(stations[way])
                    answer = stations[way].ask("offer", count=sent, at_a_time=at_a_time)
                    used = _processor_seconds(stations[way]) - used
                    findings.add(at_a_time, way, seconds=answer["seconds"], times=answer["ms"], processor=used)
    return findings


def _processor_seconds(station: Station) -> float:
    return sum(processor_seconds(leader) for leader in station.leaders)


def _order(turn: int) -> list[Way]:
    """Return the ways; each turn another one begins."""
    ways = list(Way)
    begin = turn % len(ways)
    return [*ways[begin:], *ways[:begin]]


def in_scratch(rounds: int, count: int, slots: int, say: Callable[[str], None]) -> LLMFindings:
    """Measure with a folder that is removed afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="llm-", dir=scratch()))
    try:
        return measure(rounds, count, folder, say, slots=slots)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def markdown(findings: LLMFindings) -> str:
    """Return the figures with the machine above."""
    return f"{machine_text()}\n\n{table(findings)}"


def write_readme(findings: LLMFindings) -> None:
    """Replace the figures in benchmarks/README.md."""
    replace_block(README, BEGIN, END, markdown(findings))


def main() -> int:
    """Measure, show the table, and write it where asked; return 1 when something could not be measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.llm", description=__doc__)
    parser.add_argument("--rounds", type=int, default=8, help="rounds in which all take turns (8)")
    parser.add_argument(
        "--count", type=int, default=600, help="requests each way, with 8 and 64 at a time, a round (600)"
    )
    parser.add_argument(
        "--slots",
        type=int,
        default=MODEL_SLOTS,
        help=f"requests that the model's server works on at a time ({MODEL_SLOTS})",
    )
    parser.add_argument("--write-readme", action="store_true", help="replace the figures in benchmarks/README.md")
    options = parser.parse_args()
    # by default SIGTERM would end this process alone and leave its servers behind
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        findings = in_scratch(options.rounds, options.count, options.slots, lambda text: print(text, file=sys.stderr))
    except ChildFailed as error:
        print(error, file=sys.stderr)
        return 1
    print(markdown(findings))
    if options.write_readme:
        write_readme(findings)
    return 0


if __name__ == "__main__":
    sys.exit(main())
