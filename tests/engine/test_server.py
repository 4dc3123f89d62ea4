from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import pytest

from tests.engine.conftest import RunningServer
from tests.engine.server_users import ROOT, UserProcess, Watch, state_of
from vera_orchestrator.engine.advice import advice_for
from vera_orchestrator.engine.locks import FileLock
from vera_orchestrator.engine.server import EmbeddedServer, ServerAddress
from vera_orchestrator.engine.server_folder import ServerFolder
from vera_orchestrator.errors import PrefectUnavailable

EVIL = "https://evil.example"

CLIENT = """
import asyncio
from prefect import flow
from prefect.events import emit_event
from prefect.events.clients import get_events_subscriber
from prefect.events.filters import EventFilter, EventNameFilter

@flow(name="client-flow")
async def run():
    async with get_events_subscriber(filter=EventFilter(event=EventNameFilter(name=["vera.heard"]))) as events:
        emit_event("vera.heard", resource={"prefect.resource.id": "vera.test"})
        async with asyncio.timeout(90):
            print((await anext(events)).event)

asyncio.run(run())
"""


def client(address: ServerAddress, *, auth: bool = True, origin: str | None = None) -> httpx.Client:
    user, _, password = address.auth_string.partition(":")
    return httpx.Client(
        base_url=f"{address.api_url}/",
        auth=(user, password) if auth else None,
        headers={"Origin": origin} if origin else {},
        trust_env=False,
    )


def add_csrf_token(api: httpx.Client) -> None:
    name = str(uuid4())
    token = api.get("csrf-token", params={"client": name}).json()["token"]
    api.headers.update({"Prefect-Csrf-Token": token, "Prefect-Csrf-Client": name})


class TestSafety:
    def test_the_server_answers(self, running_server: RunningServer) -> None:
        with client(running_server.address, auth=False) as api:
            assert api.get("health").json() is True

    @pytest.mark.parametrize("path", ["block_types/slug/secret", "admin/settings", "csrf-token?client=x", "version"])
    def test_nothing_else_is_told_without_the_auth_string(self, running_server: RunningServer, path: str) -> None:
        with client(running_server.address, auth=False) as api:
            assert api.get(path).status_code == 401

    def test_a_wrong_auth_string_is_refused(self, running_server: RunningServer) -> None:
        with client(running_server.address, auth=False) as api:
            assert api.get("admin/version", auth=("vera", "guess")).status_code == 401

    def test_another_site_may_not_ask_first(self, running_server: RunningServer) -> None:
        with client(running_server.address, auth=False, origin=EVIL) as api:
            answer = api.options(
                "deployments/filter",
                headers={"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"},
            )
        assert answer.status_code == 400
        assert "access-control-allow-origin" not in answer.headers

    def test_another_site_reads_nothing_even_with_the_auth_string(self, running_server: RunningServer) -> None:
        with client(running_server.address, origin=EVIL) as api:
            assert "access-control-allow-origin" not in api.get("block_types/slug/secret").headers

    @pytest.mark.parametrize("path", ["block_documents/filter", f"deployments/{UUID(int=7)}/create_flow_run"])
    def test_another_site_can_neither_read_blocks_nor_start_runs(
        self, running_server: RunningServer, path: str
    ) -> None:
        # What a page can send without asking first: a form, with whatever credentials the browser adds.
        for auth in (False, True):
            with client(running_server.address, auth=auth, origin=EVIL) as api:
                answer = api.post(path, content="{}", headers={"Content-Type": "text/plain"})
                assert answer.status_code in (401, 403)

    def test_a_change_without_a_csrf_token_is_refused(self, running_server: RunningServer) -> None:
        with client(running_server.address, origin=running_server.address.ui_url) as api:
            assert api.post("flows/filter", json={}).status_code == 403

    def test_the_servers_own_pages_may_read_and_write(self, running_server: RunningServer) -> None:
        own = running_server.address.ui_url
        with client(running_server.address, origin=own) as api:
            add_csrf_token(api)
            answer = api.post("flows/", json={"name": "own-page"})
        assert answer.status_code == 201
        assert answer.headers["access-control-allow-origin"] == own

    def test_the_ui_is_served_and_asks_for_the_auth_string(self, running_server: RunningServer) -> None:
        with httpx.Client(base_url=running_server.address.ui_url, trust_env=False, follow_redirects=True) as ui:
            page = ui.get("/", headers={"Accept": "text/html"})
            settings = ui.get("/ui-settings").json()
        assert page.is_success
        assert "<html" in page.text.lower()
        assert settings["auth"] == "BASIC"
        assert settings["csrf_enabled"] is True
        assert settings["api_url"] == running_server.address.api_url

    async def test_there_is_nothing_to_advise(self, running_server: RunningServer) -> None:
        assert await advice_for(running_server.address.api_url) is None

    def test_only_loopback_is_served(self, running_server: RunningServer) -> None:
        port = f"{state_of(running_server.home).port:04X}"
        lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
        addresses = {local for line in lines if (local := line.split()[1]).endswith(f":{port}")}
        assert addresses == {f"0100007F:{port}"}

    def test_files_are_closed_to_other_accounts(self, running_server: RunningServer) -> None:
        folder = running_server.home / "prefect"
        assert folder.stat().st_mode & 0o777 == 0o700
        for name in ("auth", "encryption-key", "prefect.db", "server.json", "server.log"):
            assert (folder / name).stat().st_mode & 0o777 == 0o600, name

    def test_secrets_are_on_no_command_line(self, running_server: RunningServer) -> None:
        state = state_of(running_server.home)
        for pid in (state.supervisor_pid, state.server_pid):
            command = Path(f"/proc/{pid}/cmdline").read_bytes().decode()
            assert running_server.address.auth_string.partition(":")[2] not in command

    def test_the_auth_string_is_not_in_the_addresss_text(self, running_server: RunningServer) -> None:
        assert running_server.address.auth_string not in repr(running_server.address)


class TestSettings:
    def test_the_starters_own_prefect_settings_do_not_apply(self, running_server: RunningServer) -> None:
        with client(running_server.address) as api:
            settings = api.get("admin/settings").json()
        server = settings["server"]
        assert server["api"]["cors_allowed_origins"] == running_server.address.ui_url
        assert server["api"]["csrf_protection_enabled"] is True
        assert server["analytics_enabled"] is False
        assert settings["home"] == str(running_server.home / "prefect")

    def test_events_and_runs_are_kept_for_the_retention_period(self, running_server: RunningServer) -> None:
        with client(running_server.address) as api:
            server = api.get("admin/settings").json()["server"]
        vacuum = server["services"]["db_vacuum"]
        assert server["events"]["retention_period"] in (3 * 86_400, "P3D")
        assert vacuum["retention_period"] in (3 * 86_400, "P3D")
        assert set(vacuum["enabled"]) == {"events", "flow_runs", "orphans"}

    def test_prefects_client_runs_flows_and_hears_of_events(
        self, running_server: RunningServer, tmp_path: Path
    ) -> None:
        environment = {key: value for key, value in os.environ.items() if not key.startswith("PREFECT_")}
        environment |= running_server.address.client_settings | {"PREFECT_HOME": str(tmp_path)}
        done = subprocess.run([sys.executable, "-c", CLIENT], env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert done.stdout.split() == ["vera.heard"]
        with client(running_server.address) as api:
            add_csrf_token(api)
            runs = api.post("flow_runs/filter", json={"flows": {"name": {"any_": ["client-flow"]}}}).json()
        assert [run["state_type"] for run in runs] == ["COMPLETED"]


class TestUsers:
    async def test_a_further_acquire_gives_the_same_address(self, running_server: RunningServer) -> None:
        assert await running_server.server.acquire() == running_server.address

    async def test_users_in_one_process_share_the_server(self, running_server: RunningServer) -> None:
        other = EmbeddedServer(running_server.home, retention_days=3, start_seconds=180)
        assert await asyncio.gather(other.acquire(), other.acquire()) == [running_server.address] * 2
        other.release()
        other.release()
        assert running_server.server.is_running()

    def test_processes_share_the_server(self, running_server: RunningServer) -> None:
        before = state_of(running_server.home)
        with UserProcess(running_server.home) as user:
            assert user.address["api_url"] == running_server.address.api_url
            assert user.address["auth_string"] == running_server.address.auth_string
            assert state_of(running_server.home) == before

    def test_the_death_of_one_user_leaves_the_server_to_the_others(self, home: Path) -> None:
        with UserProcess(home) as first, UserProcess(home) as second:
            assert first.address == second.address
            supervisor = Watch(state_of(home).supervisor_pid)
            first.kill()
            assert not supervisor.has_ended(within=0)
            assert httpx.get(f"{second.address['api_url']}/health", trust_env=False).is_success
            server = Watch(state_of(home).server_pid)
            second.kill()
            assert server.has_ended(within=60)
            assert supervisor.has_ended(within=60)


class TestFailures:
    async def test_a_killed_server_comes_back_on_the_same_port(self, running_server: RunningServer) -> None:
        before = state_of(running_server.home)
        server = Watch(before.server_pid)
        os.kill(server.pid, signal.SIGKILL)
        assert server.has_ended(within=60)
        assert await running_server.server.acquire() == running_server.address
        after = state_of(running_server.home)
        assert after.server_pid != before.server_pid
        assert (after.port, after.supervisor_pid) == (before.port, before.supervisor_pid)

    async def test_a_killed_supervisor_takes_its_server_along_and_is_replaced(
        self, other_server: RunningServer
    ) -> None:
        home, user = other_server.home, other_server.server
        before = state_of(home)
        server = Watch(before.server_pid)
        supervisor = Watch(before.supervisor_pid)
        os.kill(supervisor.pid, signal.SIGKILL)
        assert supervisor.has_ended(within=60)
        assert not user.is_running()
        assert await user.acquire() == other_server.address
        assert server.has_ended(within=0)
        assert state_of(home).supervisor_pid != before.supervisor_pid

    async def test_the_state_of_a_dead_supervisor_is_not_believed(self, home: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as stranger:
            taken = stranger.getsockname()[1]
            (home / "prefect" / "server.json").write_text(f'{{"port": {taken}, "supervisor_pid": {os.getpid()}}}')
            user = EmbeddedServer(home, retention_days=3, start_seconds=180)
            assert not user.is_running()
            address = await user.acquire()
        assert address.api_url != f"http://127.0.0.1:{taken}/api"
        supervisor = Watch(state_of(home).supervisor_pid)
        user.release()
        assert supervisor.has_ended(within=60)

    async def test_a_server_that_cannot_start_is_reported_with_the_end_of_its_log(self, tmp_path: Path) -> None:
        user = EmbeddedServer(tmp_path, retention_days=3, start_seconds=180)
        (tmp_path / "prefect" / "prefect.db").write_bytes(b"this is no database " * 100)
        with pytest.raises(PrefectUnavailable) as caught:
            await user.acquire()
        assert "file is not a database" in caught.value.message
        assert str(tmp_path / "prefect" / "server.log") in caught.value.message
        assert caught.value.remedy
        assert not user.is_running()

    async def test_an_acquire_that_times_out_holds_nothing(self, home: Path) -> None:
        user = EmbeddedServer(home, retention_days=3, start_seconds=1)
        with pytest.raises(PrefectUnavailable, match="did not answer in 1 s"):
            await user.acquire()
        # Given only when the supervisor, which nobody uses any more, has ended.
        FileLock.exclusive(ServerFolder.of(home).supervisor_lock).release()
        assert state_of(home).server_pid is None


def test_the_supervisor_stays_small_without_prefect() -> None:
    program = "import sys, vera_orchestrator.engine.supervisor; print('prefect' in sys.modules, 'httpx' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["False", "False"]
