"""Cancelling the flow run that shows a batch, in Prefect, while an orchestrator elsewhere runs the batch."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest
from prefect.states import Cancelled

from tests.flows.seen import state_of
from tests.flows.station import Station


def cancel_by_command(station: Station, flow_run_id: UUID) -> None:
    """Do what Prefect's UI does too: the state becomes Cancelling."""
    assert station.command("prefect", "flow-run", "cancel", str(flow_run_id)).ended().code == 0


def cancel_by_state(station: Station, flow_run_id: UUID) -> None:
    """Set the final state at once."""
    station.ask(lambda client: client.set_flow_run_state(flow_run_id, Cancelled(), force=True))


@pytest.mark.parametrize("cancel", [cancel_by_command, cancel_by_state])
def test_cancelling_the_flow_run_cancels_the_batch(
    station: Station, tmp_path: Path, cancel: Callable[[Station, UUID], None]
) -> None:
    batch = station.command("tests.flows.gated_batch", str(tmp_path / "vera"))
    flow_run_id = UUID(batch.next_line())
    cancel(station, flow_run_id)

    ended = batch.ended()

    assert ended.code == 0, ended.output
    reason = "its flow run was cancelled in Prefect"
    assert json.loads(ended.output.splitlines()[-1]) == [
        {"id": "runs", "status": "cancelled", "reason": reason},
        {"id": "waits", "status": "cancelled", "reason": reason},
    ]
    assert state_of(station, flow_run_id)[1] == "Cancelled"
