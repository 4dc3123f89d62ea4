"""What is shown while it happens."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Generator
from typing import Any

import pytest
from rich.console import Console
from websockets.sync.server import ServerConnection, serve

from api.command import main, watching
from api.command.client import Client
from api.command.exits import Exit
from api.command.following import Shown, events_of
from api.command.options import Remote
from tests.command.conftest import Ask, Served
from tests.http.server import free_port
from vera_orchestrator.simulator.running import serving
from vera_orchestrator.workers.llm import OllamaWorker

STREAM = """: keepalive

event: task
data: {"status": "running",
data:  "status_reason": null}
id: 1

event: text
data: {"text": "Once upon"}

event: text
data: {"text": " a time"}

event: end
data: {"success": true, "data": "Once upon a time", "error": null}

"""


def test_a_stream_is_read_as_events() -> None:
    events = list(events_of(STREAM.splitlines()))
    assert [event.kind for event in events] == ["task", "text", "text", "end"]
    assert events[0].data == {"status": "running", "status_reason": None}


def test_only_the_text_goes_to_the_pipe_and_it_goes_there_once(capsys: pytest.CaptureFixture[str]) -> None:
    beside = io.StringIO()
    shown = Shown(Console(file=beside))
    for event in events_of(STREAM.splitlines()):
        shown.show(event)
    assert capsys.readouterr().out == "Once upon a time\n"
    assert beside.getvalue() == "running\n"


def test_the_status_is_pushed_again_and_again(served: Served) -> None:
    with Client(Remote(url=served.url)) as client:
        pushed = watching.statuses(client)
        first, second = next(pushed), next(pushed)
        pushed.close()
    assert first is not None
    assert second is not None
    assert second["uptime_seconds"] > first["uptime_seconds"]


def test_a_lost_connection_is_said_and_sought_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "AGAIN_SECONDS", 0)

    def says_one_thing_and_goes(socket: ServerConnection) -> None:
        socket.send('{"is_running": true}')

    with serve(says_one_thing_and_goes, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        with Client(Remote(url=f"http://127.0.0.1:{server.socket.getsockname()[1]}")) as client:
            pushed = watching.statuses(client)
            assert [next(pushed) for _ in range(3)] == [{"is_running": True}, None, {"is_running": True}]
            pushed.close()
        server.shutdown()
        thread.join()


def test_watching_shows_what_is_pushed_until_the_user_ends_it(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    statuses = watching.statuses

    def one(client: Client) -> Generator[dict[str, Any] | None]:
        pushed = statuses(client)
        yield next(pushed)
        pushed.close()
        yield None
        raise KeyboardInterrupt

    monkeypatch.setattr(watching, "statuses", one)
    done = ask("status", "--watch", "--json")
    assert done.code == Exit.INTERRUPTED
    first, lost = done.out.splitlines()
    assert json.loads(first)["is_running"]
    assert "lost" in json.loads(lost)["error"]["detail"]
    done = ask("status", "--watch")
    assert (done.code, "lost" in done.out) == (Exit.INTERRUPTED, True)


def test_no_server_to_watch_is_no_server() -> None:
    assert main(["status", "--watch", "--url", f"http://127.0.0.1:{free_port()}"]) == Exit.UNREACHABLE


def test_a_task_is_followed_from_a_real_server_to_its_end(served: Served, ask: Ask) -> None:
    with serving() as simulator:
        served.do(served.orchestrator.worker_registry.register(OllamaWorker(simulator.url, worker_id="ollama")))
        done = ask("submit", "llm_request", "prompt=Tell me a story", "stream:=true", "--id", "story", "--follow")
        served.do(served.orchestrator.worker_registry.unregister("ollama"))
    assert (done.code, done.out) == (Exit.OK, "[simulated] Tell me a story\n")
    spent = ask("spend", "--by", "day,model,worker")
    assert ["llama3.2" in line for line in spent.out.splitlines()[1:3]] == [True, False], spent.out + spent.err
    assert "total" in spent.out
    again = ask("logs", "story", "--json")
    events = [json.loads(line) for line in again.out.splitlines()]
    assert (again.code, events[-1]["event"], events[-1]["data"]["success"]) == (Exit.OK, "end", True)
    failed = ask("submit", "custom", "fail:=true", "--max-retries", "0", "--follow")
    assert (failed.code, "as was asked" in failed.err) == (Exit.FAILED, True)
    assert ask("logs", "no such").code == Exit.REFUSED
