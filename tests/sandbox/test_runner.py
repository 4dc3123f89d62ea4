from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.sandbox.support import bash, processes_with, python, ready
from vera_orchestrator.errors import InvalidValue, NotConfigured, TaskFailed
from vera_orchestrator.sandbox import Ending, Sandbox, SandboxProgram
from vera_orchestrator.sandbox.cgroup import Cgroups
from vera_orchestrator.sandbox.values import check_file_name
from vera_orchestrator.settings import SandboxMode


@pytest.fixture(params=list(SandboxMode))
async def either(request: pytest.FixtureRequest) -> Sandbox:
    return await ready(Sandbox(request.param))


async def test_output_errors_and_the_exit_code_come_back(either: Sandbox) -> None:
    outcome = await python(either, "import sys\nprint('out')\nprint('err', file=sys.stderr)\nsys.exit(3)")
    assert (outcome.stdout, outcome.stderr, outcome.exit_code) == ("out\n", "err\n", 3)
    assert outcome.ending is Ending.EXITED


async def test_the_input_arrives_whole(either: Sandbox) -> None:
    text = "é{}'\"\n" * 100_000
    outcome = await bash(either, "cat | wc -c", stdin=text)
    assert outcome.stdout == f"{len(text.encode())}\n"


async def test_there_is_an_end_of_input_where_none_was_given(either: Sandbox) -> None:
    assert (await bash(either, "cat; echo end")).stdout == "end\n"


async def test_files_are_found_in_the_working_folder(either: Sandbox) -> None:
    files = {"main.py": "import helper\nprint(helper.X, open('a/b.txt', 'rb').read())", "helper.py": "X = 5"}
    outcome = await python(either, "", files=files | {"a/b.txt": b"\xff"})
    assert outcome.stdout == "5 b'\\xff'\n", outcome.stderr


async def test_braces_and_quotes_in_code_are_left_alone(either: Sandbox) -> None:
    code = """print(f"{'a'!r:>5}", "$HOME `id` {x} {{y}}", '\\\\', "'")"""
    assert (await python(either, code)).stdout == "  'a' $HOME `id` {x} {{y}} \\ '\n"


async def test_output_that_is_not_utf_8_is_replaced(either: Sandbox) -> None:
    outcome = await python(either, "import os; os.write(1, b'a\\xff\\xfeb')")
    assert outcome.stdout == "a��b"


async def test_a_traceback_names_the_line(either: Sandbox) -> None:
    outcome = await python(either, "x = 1\n\nx / 0\n")
    assert "line 3" in outcome.stderr
    assert "x / 0" in outcome.stderr


async def test_a_program_ended_by_a_signal_has_its_number_in_the_exit_code(either: Sandbox) -> None:
    assert (await bash(either, "kill -TERM $$")).exit_code == 128 + 15


async def test_a_cancelled_program_leaves_nothing_running(either: Sandbox, tmp_path: Path) -> None:
    marker = f"marker-{tmp_path}"
    script = f"({_new_session(either)} sleep 1000 &) ; sleep 1000 & : > begun; while :; do :; done"
    use = {"writable": (tmp_path, str(tmp_path)), "folder": str(tmp_path), "environment": {"MARKER": marker}}
    run = asyncio.create_task(bash(either, script, timeout=None, **use))
    await _until_exists(tmp_path / "begun", run)
    assert processes_with(marker)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert processes_with(marker) == []


async def test_a_program_cancelled_while_it_starts_never_runs(either: Sandbox, tmp_path: Path) -> None:
    marker = f"marker-{tmp_path}"
    for turns in range(12):
        run = asyncio.create_task(bash(either, "exec sleep 1000", environment={"MARKER": marker}))
        for _ in range(turns):
            await asyncio.sleep(0)
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        assert processes_with(marker) == []


async def test_what_a_program_left_in_the_background_ends_with_it(either: Sandbox, tmp_path: Path) -> None:
    marker = f"marker-{tmp_path}"
    for script in ("sleep 1000 &", f"{_new_session(either)} sleep 1000 </dev/null >/dev/null 2>&1 &"):
        outcome = await bash(either, script, environment={"MARKER": marker})
        assert (outcome.ending, outcome.exit_code) == (Ending.EXITED, 0)
        assert processes_with(marker) == []


async def test_runs_do_not_wait_for_each_other(sandbox: Sandbox, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")  # opening one end waits for the other
    use = {"writable": (tmp_path, "/data"), "folder": "/data"}
    runs = [bash(sandbox, "echo hello > pipe", **use), bash(sandbox, "cat pipe", **use)]
    assert [outcome.stdout for outcome in await asyncio.gather(*runs)] == ["", "hello\n"]


async def test_a_missing_bwrap_is_named_with_the_remedy(tmp_path: Path) -> None:
    sandbox = Sandbox(bwrap=tmp_path / "bwrap")
    missing = await sandbox.probe()
    assert isinstance(missing, NotConfigured)
    assert "apt-get install bubblewrap" in str(missing)
    with pytest.raises(NotConfigured, match="bwrap is missing"):
        await sandbox.run(SandboxProgram(argv=("true",)))


async def test_a_bwrap_that_does_not_work_is_named_with_the_remedy(tmp_path: Path) -> None:
    broken = tmp_path / "bwrap"
    broken.write_text("#!/bin/sh\necho 'setting up uid map: Permission denied' >&2\nexit 1\n")
    broken.chmod(0o755)
    missing = await Sandbox(bwrap=broken).probe()
    assert "uid map: Permission denied" in str(missing)
    assert "kernel.unprivileged_userns_clone" in str(missing)


async def test_a_sandbox_is_found_once_it_is_installed(sandbox: Sandbox, tmp_path: Path) -> None:
    del sandbox  # makes sure that there is a real one
    late = Sandbox(bwrap=tmp_path / "bwrap")
    assert await late.probe()
    (tmp_path / "bwrap").symlink_to("/usr/bin/bwrap")
    assert await late.probe() is None
    assert (await python(late, "print('now')")).stdout == "now\n"


async def test_a_bind_that_does_not_exist_is_a_failure_of_the_sandbox(sandbox: Sandbox, tmp_path: Path) -> None:
    with pytest.raises(TaskFailed, match=r"did not start.*absent"):
        await bash(sandbox, "true", read_only={tmp_path / "absent": "/data"})


async def test_no_sandbox_shows_no_variable_of_its_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VERA_API_KEY", "secret")
    unprotected = await ready(Sandbox(SandboxMode.NONE))
    outcome = await bash(unprotected, "env")
    assert "secret" not in outcome.stdout
    assert "PREFECT" not in outcome.stdout


@pytest.mark.parametrize("name", ["", "/etc/passwd", "../x", "a/../../x", "a\0b", "a/", "."])
def test_a_file_name_outside_the_working_folder_is_refused(name: str) -> None:
    with pytest.raises(InvalidValue):
        SandboxProgram(argv=("true",), files={name: ""})


@given(name=st.text(min_size=1, max_size=20))
def test_an_accepted_file_name_stays_inside(name: str) -> None:
    try:
        check_file_name(name)
    except InvalidValue:
        return
    root = Path("/somewhere/deep")
    assert Path(*[part for part in (root / name).parts if part != "."]).is_relative_to(root)
    assert ".." not in Path(name).parts


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.characters(codec="utf-8"), max_size=200))
async def test_any_text_passes_through(sandbox: Sandbox, text: str) -> None:
    assert (await bash(sandbox, "cat", stdin=text)).stdout == text


def _new_session(sandbox: Sandbox) -> str:
    """Return the command that leaves the session, where that is caught: not by a plain process without groups."""
    caught = sandbox.mode is SandboxMode.BUBBLEWRAP or Cgroups.find().bounds("pids")
    return "setsid" if caught else ""


async def _until_exists(path: Path, run: asyncio.Task[object]) -> None:
    async with asyncio.timeout(90):
        while not await asyncio.to_thread(path.exists):
            assert not run.done(), run
