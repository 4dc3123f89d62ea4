"""A batch as a flow run: one task run each with its edges, or carriers of a level."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextvars import Context
from typing import Any
from uuid import UUID, uuid4

from vera_orchestrator.engine.base import BatchPlan, Body, Label, Outcome
from vera_orchestrator.engine.hosts import Host
from vera_orchestrator.engine.lanes import CANCELLED, start, start_beside
from vera_orchestrator.engine.slips import Slip
from vera_orchestrator.enums import TaskStatus
from vera_orchestrator.graph import levels

MOST_FAILURES = 200
"""Failed tasks of a batch that have runs of their own beside that of their chunk; the others are only counted."""


class Chunk:
    """Tasks of one level that are shown as one run, from the first start to the last end."""

    def __init__(self, slip: Slip, keys: Sequence[int]) -> None:
        self.slip = slip
        self._open = set(keys)
        self._failed = 0
        self.shown = False

    def ended(self, key: int, outcome: Outcome) -> None:
        """Note the end of a task; attempts that will be repeated are none."""
        if outcome.again or key not in self._open:
            return
        self._open.discard(key)
        if outcome.status is not TaskStatus.COMPLETED:
            self._failed += 1
        if not self._open:
            if self._failed:
                self.slip.name += f", {self._failed:,} not completed"
            self.slip.finish(Outcome(status=TaskStatus.COMPLETED))


class BatchRecord:
    """Shows one batch in its flow run. Until that exists, tasks start without it and are shown afterwards."""

    def __init__(self, plan: BatchPlan, host: Host, *, own_runs: int, chunk_size: int) -> None:
        self.plan = plan
        self.host = host
        self._waiting: list[Slip] = []
        self._bodies: set[asyncio.Task[Any]] = set()
        self._run_ids: dict[int, UUID] = {}
        self._chunks: dict[int, Chunk] = {}
        self._failures_to_show = MOST_FAILURES
        if len(plan.labels) > own_runs:
            self._make_chunks(chunk_size)
        else:
            self._run_ids = {label.key: uuid4() for label in plan.labels}
        self._first = set(self._run_ids)

    def opened(self) -> None:
        """Show what has happened before the flow run existed."""
        waiting, self._waiting = self._waiting, []
        for slip in waiting:
            self.host.show(slip)

    def abandon(self) -> int:
        """Give up showing the batch; return how many runs that concerns."""
        lost, self._waiting = len(self._waiting), []
        return lost

    def launch(self, label: Label, body: Body, fallback: Context, *, calm: bool) -> asyncio.Task[Any]:
        """Start a task of the batch."""
        body_task = self._launch(label, body, self.host.context or fallback, calm=calm)
        self._bodies.add(body_task)
        body_task.add_done_callback(self._bodies.discard)
        return body_task

    def _launch(self, label: Label, body: Body, context: Context, *, calm: bool) -> asyncio.Task[Any]:
        chunk = self._chunks.get(label.key)
        if chunk is not None:
            self._show_chunk(chunk)
            return start_beside(
                chunk.slip, body, context, label.name, lambda outcome: self._left_chunk(chunk, label, outcome)
            )
        slip = self._slip(label)
        self._show(slip)
        return start(slip, body, context, label.name, inside=calm and self.host.is_open)

    def skip(self, label: Label, outcome: Outcome) -> None:
        """Show a task that ended without having been started."""
        chunk = self._chunks.get(label.key)
        if chunk is not None:
            self._show_chunk(chunk)
            chunk.ended(label.key, outcome)
            return
        slip = self._slip(label)
        slip.finish(outcome)
        self._show(slip)

    def _left_chunk(self, chunk: Chunk, label: Label, outcome: Outcome | None) -> None:
        outcome = outcome or CANCELLED
        chunk.ended(label.key, outcome)
        if outcome.status is TaskStatus.FAILED and self._failures_to_show > 0:
            self._failures_to_show -= 1
            slip = Slip(type=label.type, name=label.name)
            slip.finish(outcome)
            self._show(slip)

    def _slip(self, label: Label) -> Slip:
        upstream = tuple(self._run_ids[key] for key in self.plan.edges.get(label.key, ()) if key in self._run_ids)
        if label.key in self._first:  # later attempts are runs with ids of their own
            self._first.discard(label.key)
            return Slip(type=label.type, name=label.name, run_id=self._run_ids[label.key], upstream=upstream)
        return Slip(type=label.type, name=f"{label.name} (again)", upstream=upstream)

    def _show(self, slip: Slip) -> None:
        if self.host.is_open:
            self.host.show(slip)
        else:
            self._waiting.append(slip)

    def _show_chunk(self, chunk: Chunk) -> None:
        if not chunk.shown:
            chunk.shown = True
            self._show(chunk.slip)

    def _make_chunks(self, size: int) -> None:
        """Divide each level into runs of at most `size` tasks of one type, with edges between them."""
        by_name = {str(label.key): label for label in self.plan.labels}
        graph = {name: [str(key) for key in self.plan.edges.get(label.key, ())] for name, label in by_name.items()}
        known = {name: [one for one in before if one in by_name] for name, before in graph.items()}
        for number, level in enumerate(levels(known)):
            for kind, keys in _by_type([by_name[name] for name in level]).items():
                for first in range(0, len(keys), size):
                    part = keys[first : first + size]
                    before = {self._chunks[int(one)].slip.run_id for key in part for one in known[str(key)]}
                    name = f"level {number + 1}: {len(part):,} of {kind}"
                    chunk = Chunk(Slip(type=kind, name=name, upstream=tuple(before)), part)
                    self._chunks.update(dict.fromkeys(part, chunk))

    async def close(self, outcome: Outcome) -> None:
        """Let the runs end that are still open, after what was started has ended."""
        while self._bodies:
            await asyncio.wait(set(self._bodies))
        for chunk in set(self._chunks.values()):
            chunk.slip.finish(outcome)


def _by_type(labels: Sequence[Label]) -> Mapping[str, list[int]]:
    kinds: dict[str, list[int]] = {}
    for label in labels:
        kinds.setdefault(label.type, []).append(label.key)
    return kinds
