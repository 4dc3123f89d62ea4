"""The address at which a flow run can be seen."""

from __future__ import annotations

import httpx
import pytest

from tests.engine.conftest import RunningServer
from vera_orchestrator.engine.base import PlainEngine

RUN = "8631d333-19fc-43b5-b2a1-e345d944c2e4"


def run_url(api_url: str | None, ui_url: str | None) -> str | None:
    engine = PlainEngine()
    engine.status.api_url, engine.status.ui_url = api_url, ui_url
    return engine.run_url(RUN)


def test_it_is_in_the_interface_that_the_server_shows_by_default(running_server: RunningServer) -> None:
    address = running_server.address
    url = run_url(address.api_url, address.ui_url)
    assert url is not None
    with httpx.Client(trust_env=False, headers={"Accept": "text/html"}) as browser:
        shown = browser.get(f"{address.ui_url}/ui-settings").json()
        assert url == f"{address.ui_url}{shown['v2_base_url']}/runs/flow-run/{RUN}"
        assert shown["default_ui"] == "v2"
        assert browser.get(url).status_code == 200


@pytest.mark.parametrize("ui_url", ["http://localhost:4200", "http://localhost:4200/", "http://localhost:4200/v2"])
def test_a_server_of_ones_own_has_it_below_v2(ui_url: str) -> None:
    assert run_url("http://localhost:4200/api", ui_url) == f"http://localhost:4200/v2/runs/flow-run/{RUN}"


def test_prefect_cloud_has_it_in_the_workspace() -> None:
    workspace = "account/1/workspace/2"
    api_url = f"https://api.prefect.cloud/api/{workspace}"
    ui_url = f"https://app.prefect.cloud/{workspace}"
    assert run_url(api_url, ui_url) == f"{ui_url}/runs/flow-run/{RUN}"


def test_without_a_server_there_is_none() -> None:
    assert run_url(None, None) is None


def test_an_engine_that_records_nothing_has_no_run_of_a_task() -> None:
    assert PlainEngine().task_run_url(1) is None
