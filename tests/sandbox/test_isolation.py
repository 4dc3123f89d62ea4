from __future__ import annotations

import json
import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sandbox.support import bash, python, ready
from vera_orchestrator.sandbox import Sandbox
from vera_orchestrator.sandbox.cgroup import Cgroups


async def test_a_program_reaches_no_network_not_even_this_host(sandbox: Sandbox) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        code = f"import socket; socket.create_connection(('127.0.0.1', {port}), 5)"
        outcome = await python(sandbox, code)
    assert outcome.exit_code == 1
    assert "ConnectionRefusedError" in outcome.stderr


async def test_a_program_that_may_use_the_network_has_the_hosts(sandbox: Sandbox) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        code = f"import socket; socket.create_connection(('127.0.0.1', {port}), 5); print('connected')"
        outcome = await python(sandbox, code, network=True)
    assert outcome.stdout == "connected\n", outcome.stderr


async def test_a_program_sees_no_file_of_the_host(sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    paths = ["/etc/shadow", "/home", "/var", "/sys", "/work", "/root/.ssh", str(tmp_path), str(Path(__file__).parent)]
    outcome = await python(sandbox, f"import os; print([p for p in {paths!r} if os.path.exists(p)])")
    assert outcome.stdout == "[]\n"


async def test_a_hidden_folder_stays_hidden_inside_a_bound_one(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    (state / "key").write_text("secret")
    (tmp_path / "open").write_text("hello")
    hiding = await ready(Sandbox(hidden=(state,)))
    script = "cat /data/open; ls -A /data/state; touch /data/state/x"
    for bind in ({"read_only": {tmp_path: "/data"}}, {"writable": (tmp_path, "/data")}):
        outcome = await bash(hiding, script, **bind)
        assert outcome.stdout == "hello"
        assert "Read-only file system" in outcome.stderr


async def test_a_program_sees_no_variable_of_its_parent(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VERA_API_KEY", "secret")
    code = "import json, os; print(json.dumps(dict(os.environ)))"
    seen = json.loads((await python(sandbox, code)).stdout)
    assert set(seen) == {"PATH", "HOME", "LANG", "PWD"}
    outcome = await bash(sandbox, "cat /proc/*/environ")
    assert "secret" not in outcome.stdout


async def test_a_program_is_nobody_and_can_become_nobody_else(sandbox: Sandbox) -> None:
    outcome = await bash(sandbox, "id -u; grep -E '^(CapEff|CapBnd|NoNewPrivs)' /proc/self/status; unshare -U true")
    assert outcome.stdout.split() == [
        *("65534", "CapEff:", "0000000000000000", "CapBnd:", "0000000000000000", "NoNewPrivs:", "1"),
    ]
    assert "unshare" in outcome.stderr


async def test_a_program_sees_only_its_own_processes(sandbox: Sandbox) -> None:
    outcome = await python(sandbox, "import os; print(sorted(int(p) for p in os.listdir('/proc') if p.isdigit()))")
    assert outcome.stdout == "[1, 2]\n"


async def test_a_program_inherits_no_descriptor_but_the_three(sandbox: Sandbox) -> None:
    outcome = await bash(sandbox, "echo /proc/self/fd/*", files={"a": "1", "b": "2"}, stdin="x")
    assert outcome.stdout.split() == [f"/proc/self/fd/{number}" for number in (0, 1, 2)] or outcome.stdout.split() == [
        f"/proc/self/fd/{number}" for number in (0, 1, 2, 3)
    ]  # 3 is the folder that bash itself reads


async def test_nothing_can_be_written_but_the_working_folder(sandbox: Sandbox) -> None:
    script = "for d in / /usr /etc /dev /proc /root /dev/shm /tmp; do touch $d/x 2>/dev/null && echo $d; done; true"
    outcome = await bash(sandbox, script)
    assert outcome.stdout.split() == ["/dev/shm", "/tmp"]


async def test_no_setting_of_the_hosts_kernel_can_be_opened_for_writing(sandbox: Sandbox) -> None:
    code = (
        "import os\n"
        "for folder, _, names in os.walk('/proc/sys'):\n"
        "    for name in names:\n"
        "        try:\n"
        "            os.close(os.open(f'{folder}/{name}', os.O_WRONLY))\n"
        "            print(folder, name)\n"
        "        except OSError: pass\n"
    )
    outcome = await python(sandbox, code)
    assert (outcome.exit_code, outcome.stdout) == (0, "")


async def test_a_bound_folder_can_be_read_and_written_only_if_bound_so(sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "in").write_text("hello")
    script = "cat in; echo new > out"
    refused = await bash(sandbox, script, read_only={tmp_path: "/data"}, folder="/data")
    assert refused.stdout == "hello"
    assert "Read-only file system" in refused.stderr
    allowed = await bash(sandbox, script, writable=(tmp_path, "/data"), folder="/data")
    assert (allowed.exit_code, (tmp_path / "out").read_text()) == (0, "new\n")


async def test_packages_installed_beside_python_are_not_there(sandbox: Sandbox) -> None:
    outcome = await python(sandbox, "import pip")
    assert "ModuleNotFoundError" in outcome.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="another user is nobody special already")
async def test_root_without_control_groups_runs_programs_as_somebody_else(public_folder: Path) -> None:
    sandbox = await ready(Sandbox(cgroups=Cgroups([])))
    outcome = await bash(sandbox, "cat /data/open; cat /data/closed", read_only={public_folder: "/data"})
    assert outcome.stdout == "open"
    assert "Permission denied" in outcome.stderr


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """A folder that every user may enter, with a file for all and one for its owner."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        for file, mode in (("open", 0o644), ("closed", 0o600)):
            (folder / file).write_text(file)
            (folder / file).chmod(mode)
        yield folder
