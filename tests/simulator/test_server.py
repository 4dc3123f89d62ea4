"""Settings and the record of requests, over HTTP."""

from __future__ import annotations

import httpx
import pytest

from tests.simulator.conftest import user

CHAT = "/v1/chat/completions"
ASKED = {"model": "m", "messages": user("a few words")}


@pytest.mark.usefixtures("simulator")
def test_settings_change_while_it_runs_and_the_others_stay(http: httpx.Client) -> None:
    assert http.post("/_simulator/settings", json={"key": "secret", "latency": 1.5}).status_code == 200
    changed = http.post("/_simulator/settings", json={"errors": [429, "cut"], "error_rates": {"500": 0.25}})
    assert changed.json()["latency"] == 1.5
    assert changed.json()["error_rates"] == {"500": 0.25}
    assert http.post(CHAT, json=ASKED).status_code == 401
    assert "secret" not in changed.text + http.get("/_simulator/settings").text


@pytest.mark.parametrize("body", ['{"latency": -1}', '{"nonsense": 1}', "[]", "no json", "\udcff"])
@pytest.mark.usefixtures("simulator")
def test_wrong_settings_change_nothing(http: httpx.Client, body: str) -> None:
    before = http.get("/_simulator/settings").json()
    answer = http.post("/_simulator/settings", content=body.encode("utf-8", "surrogateescape"))
    assert answer.status_code == 422
    assert http.get("/_simulator/settings").json() == before


@pytest.mark.usefixtures("simulator")
def test_requests_are_remembered_without_their_keys(http: httpx.Client) -> None:
    http.post(CHAT, json=ASKED, headers={"authorization": "Bearer secret"})
    told = http.get("/_simulator/requests")
    assert told.json()["count"] == 1
    request = told.json()["requests"][0]
    assert (request["shape"], request["path"], request["body"]) == ("openai", CHAT, ASKED)
    assert (request["ended"], request["usage"]["output"]) == ("answered", 4)
    assert "secret" not in told.text
    assert http.delete("/_simulator/requests").json() == {"simulated": True, "count": 0, "requests": []}
