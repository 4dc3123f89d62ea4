"""One run: starts everything, lets it go wrong by the plan, waits until all is quiet, and gathers the evidence."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from tests.faults.evidence import Evidence, Snapshot, gather, snapshot
from tests.faults.invariants import broken, unquiet
from tests.faults.member import Member
from tests.faults.plan import DATABASE, Fault, FaultKind, Plan
from tests.faults.prefect import kill_server
from tests.faults.program import Arguments
from tests.faults.proxy import Proxy
from tests.faults.record import EventKind, Record
from tests.faults.station import Act, Station

QUIET_SECONDS = 120.0
LOOK_SECONDS = 0.1
EXITS = frozenset({0, -9, -15})
"""A graceful stop, a kill, and a request to stop that came before the process could take it."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What came out of a run: the broken invariants, how many tasks there were and how long all took, in seconds."""

    plan: Plan
    violations: tuple[str, ...]
    tasks: int
    seconds: float
    folder: Path
    evidence: Evidence

    def __str__(self) -> str:
        state = "ok" if not self.violations else f"BROKEN ({len(self.violations)})"
        changes = f"{self.evidence.taken_over} taken over, {self.evidence.born_again} owners anew"
        run = f"{self.tasks} tasks, {changes}, {self.seconds:.1f} s"
        return f"seed {self.plan.seed:>3} {self.plan.database} {state}: {run}; {self.plan}"


class World:
    """The processes of one run."""

    def __init__(self, plan: Plan, station: Station, folder: Path, *, tasks: int, prefect: bool) -> None:
        self._plan = plan
        self._station = station
        self._folder = folder
        self._tasks = tasks
        self._prefect = prefect
        self._record = Record(folder / "world.jsonl")
        self._members: dict[str, Member] = {}
        self._proxies: dict[str, Proxy] = {}
        self._busy = {target: asyncio.Lock() for target in (DATABASE, *plan.orchestrators)}
        self._beginning = 0.0
        self._acts: Mapping[FaultKind, Act] = {
            **station.acts,
            FaultKind.KILL: (lambda name: self._members[name].kill(), self._start_again),
            FaultKind.UPGRADE: (self._stop, self._start_again),
            FaultKind.PAUSE: (self._pause, self._wake),
            FaultKind.LONG_PAUSE: (self._pause, self._wake),
            FaultKind.HANG: (self._hang, self._mend),
            FaultKind.DEAF: (self._deafen, self._mend),
            FaultKind.CUT: (lambda name: self._proxies[name].cut(), self._mend),
            FaultKind.PREFECT_KILL: (self._kill_prefect, self._nothing),
        }
        self._slow_stops: list[str] = []

    async def run(self) -> Verdict:
        """Run the plan; nothing is left running, however it ends."""
        began = time.monotonic()
        async with AsyncExitStack() as stack:
            await self._open(stack)
            members = self._members.values()
            await asyncio.gather(*(member.start() for member in members))
            await asyncio.gather(*(member.until_ready() for member in members))
            self._beginning = time.monotonic()
            for member in members:
                member.begin(self._beginning)
            await asyncio.gather(*(self._let_happen(fault) for fault in self._plan.faults))
            violations = await self._until_quiet()
            violations += await self._stop_all()
        evidence = await asyncio.to_thread(gather, self._station.url, self._folder)
        violations += broken(evidence, self._plan)
        return Verdict(
            plan=self._plan,
            violations=tuple(violations),
            tasks=len(evidence.rows),
            seconds=time.monotonic() - began,
            folder=self._folder,
            evidence=evidence,
        )

    async def _open(self, stack: AsyncExitStack) -> None:
        port = self._station.port
        for name in self._plan.orchestrators:
            if port is not None:
                self._proxies[name] = await stack.enter_async_context(Proxy(port))
            home = self._folder / ("home" if self._plan.shares_home else name)
            home.mkdir(exist_ok=True)
            arguments = Arguments(
                seed=self._plan.seed,
                name=name,
                names=list(self._plan.orchestrators),
                tasks=self._tasks,
                home=str(home),
                database_url=self._station.url_through(self._proxies.get(name)),
                record=str(self._folder / f"{name}.jsonl"),
                prefect=self._prefect,
            )
            member = self._members[name] = Member(arguments, self._folder / f"{name}.log", self._record)
            stack.push_async_callback(_end, member)

    async def _let_happen(self, fault: Fault) -> None:
        begin, end = self._acts[fault.kind]
        await asyncio.sleep(max(0.0, self._beginning + fault.at - time.monotonic()))
        async with self._busy[fault.target]:  # a graceful stop may have taken longer than the plan reckoned with
            self._record.note(EventKind.FAULT, text=str(fault))
            await begin(fault.target)
            await asyncio.sleep(fault.seconds)
            await end(fault.target)
            self._record.note(EventKind.MENDED, text=str(fault))

    async def _until_quiet(self) -> list[str]:
        """Wait until every process has done its part and nothing is left to do; return what did not come to an end."""
        deadline = time.monotonic() + QUIET_SECONDS
        while True:
            waiting = [
                f"{name} has not done its part" for name, one in self._members.items() if not one.loaded.is_set()
            ]
            dead = [f"{name} has died by itself" for name, one in self._members.items() if not one.lives]
            state: Snapshot | None = None
            if not waiting:
                state = await asyncio.to_thread(snapshot, self._station.url)
                waiting = unquiet(state, {member.pid for member in self._members.values()})
            if dead or not waiting:
                return dead
            if time.monotonic() > deadline:
                state = state or await asyncio.to_thread(snapshot, self._station.url)
                return [f"no end: {one}" for one in {*waiting, *unquiet(state, None)}]
            await asyncio.sleep(LOOK_SECONDS)

    async def _stop_all(self) -> list[str]:
        stopped = {name: await self._members[name].stop() for name in self._members if self._members[name].lives}
        found = [f"{name} did not stop" for name, in_time in stopped.items() if not in_time]
        found += self._slow_stops
        for name, member in self._members.items():
            found += [f"a process of {name} ended with {code}" for code in member.exits if code not in EXITS]
        left = await asyncio.to_thread(snapshot, self._station.url)
        return [*found, *(f"owner {owner} is left after all have stopped" for owner in left.owners)]

    async def _start_again(self, name: str) -> None:
        member = self._members[name]
        await member.start()
        member.begin(self._beginning)

    async def _stop(self, name: str) -> None:
        if not await self._members[name].stop():
            self._slow_stops.append(f"{name} did not stop for an upgrade")

    async def _pause(self, name: str) -> None:
        self._members[name].pause()

    async def _wake(self, name: str) -> None:
        self._members[name].wake()

    async def _hang(self, name: str) -> None:
        self._proxies[name].hang()

    async def _deafen(self, name: str) -> None:
        self._proxies[name].deafen()

    async def _mend(self, name: str) -> None:
        await self._proxies[name].mend()

    async def _kill_prefect(self, name: str) -> None:
        kill_server(Path(self._members[name].arguments.home))

    async def _nothing(self, _: str) -> None:
        """It mends itself."""


async def _end(member: Member) -> None:
    if member.lives:
        await member.kill()
