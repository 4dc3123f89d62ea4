"""Runs plans and prints a line for each: `python -m tests.faults --database postgresql|sqlite --seeds 0-99`."""

from __future__ import annotations

import argparse
import asyncio
import shutil
import signal
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from tests.faults.member import NotReady
from tests.faults.plan import Database, make_plan
from tests.faults.station import PostgreSQLStation, SQLiteStation, Station, new_cluster
from tests.faults.world import Verdict, World
from tests.services.postgres import PostgresCluster

TASKS = 60
ORCHESTRATORS = {Database.SQLITE: 2, Database.POSTGRESQL: 3}


class Stations:
    """Makes a database for each run; a cluster is kept for all of them."""

    def __init__(self, cluster: tuple[PostgresCluster, int] | None) -> None:
        self._cluster = cluster

    def new(self, folder: Path) -> Station:
        """Return an empty database for the run that has this folder."""
        if self._cluster is None:
            return SQLiteStation(folder / "journal.db")
        cluster, port = self._cluster
        cluster.start()
        return PostgreSQLStation(cluster, port, folder.name.replace("-", "_"))


@contextmanager
def stations(database: Database, folder: Path) -> Generator[Stations]:
    """Give databases of a kind, and stop what was started for them."""
    if database is Database.SQLITE:
        yield Stations(None)
        return
    cluster, port = new_cluster(folder / "cluster")
    try:
        yield Stations((cluster, port))
    finally:
        cluster.remove()


def run_plan(seed: int, database: Database, folder: Path, given: Stations, *, prefect: bool = False) -> Verdict:
    """Run the plan of a seed; its files are in a folder of its own below `folder`."""
    plan = make_plan(seed, database, ORCHESTRATORS[database], prefect=prefect)
    own = folder / f"{database}-{seed}-{uuid4().hex[:6]}"  # a seed may be run again, to see a failure again
    own.mkdir(parents=True)
    return asyncio.run(World(plan, given.new(own), own, tasks=TASKS, prefect=prefect).run())


def seeds_of(text: str) -> list[int]:
    """Return the numbers of `3`, `0-99` or `1,5,7-9`."""
    parts = (part.partition("-") for part in text.split(","))
    return [number for first, _, last in parts for number in range(int(first), int(last or first) + 1)]


def main() -> int:
    """Run what the arguments name; the exit code is 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--database", type=Database, choices=list(Database), default=Database.SQLITE)
    parser.add_argument("--seeds", type=seeds_of, default=seeds_of("0-9"))
    parser.add_argument("--times", type=int, default=1, help="runs of each: how things interleave is not seeded")
    parser.add_argument("--prefect", action="store_true", help="with embedded Prefect servers, which are killed too")
    parser.add_argument("--keep", action="store_true", help="keep the files of runs in which all was well, too")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="vera-faults-"))
    folder.chmod(0o755)
    failed: list[int] = []
    signal.signal(signal.SIGTERM, _end)  # so that nothing is left running then either
    with stations(given.database, folder) as databases:
        for seed in (seed for seed in given.seeds for _ in range(given.times)):
            try:
                verdict = run_plan(seed, given.database, folder, databases, prefect=given.prefect)
            except NotReady as error:
                failed.append(seed)
                _say(f"seed {seed:>3} {given.database} NOT RUN: {error}")
                continue
            _say(str(verdict))
            if verdict.violations:
                failed.append(seed)
                _say("\n".join(f"    {text}" for text in verdict.violations))
                _say(f"    its files: {verdict.folder}")
            elif not given.keep:
                shutil.rmtree(verdict.folder)
    if not failed and not given.keep:
        shutil.rmtree(folder)
    _say(f"{len(given.seeds) * given.times} runs, broken: {failed or 'none'}")
    return 1 if failed else 0


def _end(number: int, _: object) -> None:
    sys.exit(128 + number)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
