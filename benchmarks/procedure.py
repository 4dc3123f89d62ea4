"""The run: stations are opened, take turns, and are closed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TypeVar

from benchmarks.celery_peer import open_celery
from benchmarks.children import resident_mb, session_mb, settle
from benchmarks.findings import Findings
from benchmarks.ours import open_ours
from benchmarks.plan import Plan, Subject
from benchmarks.prefect_peer import PrefectServer, open_prefect
from benchmarks.station import Station

T = TypeVar("T")
PREFECT_WAYS = {Subject.PREFECT_DELAY: "delay", Subject.PREFECT_FLOW: "flow"}
WARM_UP = 100
FILL_SETTLE_SECONDS = 600


class Procedure:
    """One run of a plan. State and logs are in `folder`; `say` is told what goes on."""

    def __init__(self, plan: Plan, folder: Path, say: Callable[[str], None]) -> None:
        self._plan = plan
        self._folder = folder
        self._say = say
        self._findings = Findings()
        self._server: PrefectServer | None = None
        self._tasks = 0

    def run(self) -> Findings:
        """Measure everything; raises ChildFailed. Whatever was started is stopped on every way out."""
        with ExitStack() as stack:
            if Subject.OURS in self._plan.latency:
                self._say("starting the Prefect server that this project records in")
                self._server = PrefectServer(stack, self._folder, "ours-server")
                self._server.wait_ready()
            for stage in (self._first, self._history, self._starts, self._programs):
                stage()
            self._note_records()
        return self._findings

    def _first(self) -> None:
        """Latency and batches without a history, in turns."""
        with ExitStack() as stack:
            stations = self._open_main(stack)
            self._latency("latency", stations, self._plan.latency)
            for size, rounds in self._plan.batches.items():
                for turn in range(max(rounds.values(), default=0)):
                    for subject in _turn([name for name in rounds if turn < rounds[name]], turn):
                        self._batch(subject, stations, size, turn)

    def _open_main(self, stack: ExitStack) -> dict[Subject, Station]:
        stations: dict[Subject, Station] = {}
        if Subject.OURS in self._plan.latency:
            stations[Subject.OURS] = self._open_ours(stack, "ours")
            self._tasks += WARM_UP
            stations[Subject.OURS].latency(WARM_UP)
        if Subject.CELERY in self._plan.latency:
            stations[Subject.CELERY] = self._open(stack, "Celery", open_celery, Subject.CELERY)
        if Subject.PREFECT_FLOW in self._plan.latency:
            prefect = self._open(stack, "raw Prefect", open_prefect, Subject.PREFECT_FLOW)
            stations |= dict.fromkeys(PREFECT_WAYS, prefect)
        return stations

    def _latency(self, quantity: str, stations: Mapping[Subject, Station], counts: Mapping[Subject, int]) -> None:
        for turn in range(self._plan.rounds):
            for subject in _turn(list(stations), turn):
                self._settle(stations.values())
                self._say(f"{quantity}, round {turn + 1} of {self._plan.rounds}: {subject}")
                self._one_by_one(quantity, subject, stations[subject], counts[subject])

    def _one_by_one(self, quantity: str, subject: Subject, station: Station, count: int) -> None:
        way = PREFECT_WAYS.get(subject)
        times = station.latency(count, way=way) if way else station.latency(count)
        self._findings.add(quantity, subject, times)
        self._tasks += count if subject is Subject.OURS else 0

    def _batch(self, subject: Subject, stations: Mapping[Subject, Station], size: int, turn: int) -> None:
        self._settle(stations.values())
        self._say(f"batch of {size:,}, round {turn + 1}: {subject}")
        self._findings.add(f"batch_{size}", subject, [stations[subject].batch(size)])
        self._tasks += size if subject is Subject.OURS else 0

    def _history(self) -> None:
        """Latency and memory with a history; every station has one of its own, and all take turns."""
        with ExitStack() as stack:
            filled = [
                (subject, size, self._filled(stack, subject, size))
                for subject, sizes in self._plan.history.items()
                for size in sizes
            ]
            everyone = [station for _, _, station in filled]
            for turn in range(self._plan.rounds):
                for subject, size, station in _turn(filled, turn):
                    ways = list(PREFECT_WAYS) if subject in PREFECT_WAYS else [subject]
                    for way in ways:
                        self._settle(everyone)
                        self._say(f"after {size:,} tasks, round {turn + 1} of {self._plan.rounds}: {way}")
                        self._one_by_one(f"history_{size}", way, station, self._plan.history_latency[way])

    def _filled(self, stack: ExitStack, subject: Subject, size: int) -> Station:
        name = f"{subject}-{size}"
        if subject is Subject.OURS:
            station = self._open_ours(stack, name)
            self._tasks += size
        else:
            opening = open_celery if subject is Subject.CELERY else open_prefect
            station = self._open(stack, name, opening)
        before = _memory(subject, station)
        self._say(f"{name}: running {size:,} tasks")
        station.ask("fill", timeout=3_600, count=size)
        settle(station.leaders, at_most=FILL_SETTLE_SECONDS)
        self._findings.add(f"growth_{size}", subject, [_memory(subject, station) - before])
        return station

    def _starts(self) -> None:
        """More samples of start(): each in a new process with a new state folder."""
        for number in range(self._plan.starts):
            with ExitStack() as stack:
                self._open_ours(stack, f"start-{number}")

    def _programs(self) -> None:
        """The sandboxed program, ours and bare in turns."""
        if not self._plan.programs:
            return
        with ExitStack() as stack:
            station = self._open_ours(stack, "programs")
            station.ask("sandbox", count=2)
            self._settle([station])
            self._say(f"sandboxed program, {self._plan.programs} times")
            for _ in range(self._plan.programs):
                self._findings.add("sandbox", Subject.OURS, station.ask("sandbox", count=1)["ms"])
                self._findings.add("sandbox", Subject.BARE, station.ask("bare", count=1)["ms"])
            self._tasks += self._plan.programs + 2

    def _open_ours(self, stack: ExitStack, name: str) -> Station:
        if self._server is None:
            raise ValueError("the plan is without this project")
        settle([self._server.child.pid])
        self._say(f"starting {name}")
        station, seconds = open_ours(stack, self._folder, name, self._server)
        self._findings.add("start", Subject.OURS, [seconds * 1e3])
        self._findings.add("memory_start", Subject.OURS, [_memory(Subject.OURS, station)])
        return station

    def _open(
        self,
        stack: ExitStack,
        name: str,
        opening: Callable[[ExitStack, Path, str], Station],
        subject: Subject | None = None,
    ) -> Station:
        self._say(f"starting {name}")
        station = opening(stack, self._folder, name.replace(" ", "-").lower())
        if subject is not None:
            settle(station.leaders)
            self._findings.add("memory_start", subject, [_memory(subject, station)])
        return station

    def _settle(self, stations: Iterable[Station]) -> None:
        """Let nobody pay for what another left running, such as records still being written."""
        servers = [self._server.child.pid] if self._server else []
        settle([*{leader for station in stations for leader in station.leaders}, *servers])

    def _note_records(self) -> None:
        if self._server is not None:
            settle([self._server.child.pid], at_most=120)
            flows, runs = self._server.count("flow_runs"), self._server.count("task_runs")
            self._findings.notes.append(
                f"Prefect recorded {runs:,} task runs in {flows:,} flow runs for the {self._tasks:,} tasks of this "
                "project: above a rate, a carrier run takes in many tasks."
            )


def _memory(subject: Subject, station: Station) -> float:
    """Return the orchestrator process's memory, or that of all of a peer's services, in MB."""
    if subject is Subject.OURS:
        return resident_mb(station.driver.pid)
    return sum(session_mb(service.pid) for service in station.services)


def _turn(names: Sequence[T], turn: int) -> list[T]:
    """Return the names in the order of this turn: each turn another one begins."""
    begin = turn % len(names) if names else 0
    return [*names[begin:], *names[:begin]]
