"""Tools that take programs, patterns or queries: they run in the sandbox, on the workspace alone."""

import asyncio
import hashlib
import os
import re
import sqlite3
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from vera_orchestrator.errors import InvalidPayload, NotConfigured, NotFound, ToolFailed
from vera_orchestrator.sandbox import Sandbox
from vera_orchestrator.settings import OrchestratorConfig, SandboxMode
from vera_orchestrator.tools import ToolContext, ToolRegistry
from vera_orchestrator.tools.builtin import text as text_tools

from .conftest import MakeContext, names_in


async def test_a_python_program_works_in_the_workspace(
    builtins: ToolRegistry, sandboxed: ToolContext, root: Path
) -> None:
    (root / "in").write_text("{7}")
    code = "import os\nopen('out', 'w').write(open('in').read() * 2)\nprint('done', os.getcwd())"
    assert await builtins.call("python", {"code": code}, sandboxed) == {
        "exit_code": 0,
        "stdout": f"done {root}\n",
        "stderr": "",
        "truncated_bytes": 0,
    }
    assert (root / "out").read_text() == "{7}{7}"


async def test_a_program_that_fails_makes_the_call_fail_and_keeps_what_it_wrote(
    builtins: ToolRegistry, sandboxed: ToolContext
) -> None:
    with pytest.raises(ToolFailed, match=r"(?s)exit code 1: .*line 2.*ZeroDivisionError") as raised:
        await builtins.call("python", {"code": "print('before')\n1 / 0"}, sandboxed)
    assert raised.value.data["stdout"] == "before\n"
    assert raised.value.data["exit_code"] == 1
    with pytest.raises(ToolFailed, match=r"^exit code 3\.$"):
        await builtins.call("bash", {"command": "exit 3"}, sandboxed)


async def test_a_program_sees_no_network_no_secrets_and_nothing_outside(
    builtins: ToolRegistry, sandboxed: ToolContext, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "outside").write_text("outside")
    (root / "link").symlink_to(tmp_path / "outside")
    monkeypatch.setenv("VERA_API_KEY", "the-key")
    command = f"env; cat link {tmp_path}/outside /etc/shadow; echo x > {tmp_path}/new; tail -n +3 /proc/net/dev; true"
    told = await builtins.call("bash", {"command": command}, sandboxed)
    assert "the-key" not in told["stdout"]
    assert told["stderr"].count("No such file or directory") == 3
    assert re.findall(r"^ *(\w+):", told["stdout"], re.MULTILINE) == ["lo"]
    assert names_in(tmp_path) == ["outside", "work"]


async def test_without_a_sandbox_the_remedy_is_told(
    builtins: ToolRegistry, settings: OrchestratorConfig, make_context: MakeContext, tmp_path: Path
) -> None:
    context = make_context(settings, sandbox=Sandbox(bwrap=tmp_path / "bwrap"))
    calls: list[tuple[str, dict[str, Any]]] = [
        ("python", {"code": ""}),
        ("bash", {"command": ""}),
        ("git", {"args": ["status"]}),
        ("search_files", {"pattern": "x"}),
        ("regex_search", {"pattern": "x", "text": "x"}),
    ]
    for name, arguments in calls:
        with pytest.raises(NotConfigured, match="install bubblewrap"):
            await builtins.call(name, arguments, context)


async def test_the_tools_also_run_where_the_operator_chose_no_sandbox(
    builtins: ToolRegistry, tmp_path: Path, make_context: MakeContext
) -> None:
    settings = OrchestratorConfig(home=tmp_path / "state", tools_root=tmp_path / "work", sandbox=SandboxMode.NONE)
    context = make_context(settings)
    await builtins.call("python", {"code": "open('made', 'w').write('ab')"}, context)
    assert (settings.workspace / "made").read_text() == "ab"
    assert (await builtins.call("bash", {"command": "cat made"}, context))["stdout"] == "ab"
    assert (await builtins.call("search_files", {"pattern": "a"}, context))["names"] == []
    found = await builtins.call("regex_search", {"pattern": "b", "text": "ab"}, context)
    assert found["matches"][0]["start"] == 1


# git


async def test_git_works_in_the_workspace(builtins: ToolRegistry, sandboxed: ToolContext, root: Path) -> None:
    (root / "file").write_text("one")
    await builtins.call("git", {"args": ["init", "--quiet"]}, sandboxed)
    await builtins.call("git", {"args": "add file"}, sandboxed)
    await builtins.call("git", {"args": "commit --quiet -m 'the first one'"}, sandboxed)
    told = await builtins.call("git", {"args": ["log", "--format=%s by %an"]}, sandboxed)
    assert told["stdout"] == "the first one by vera\n"
    with pytest.raises(ToolFailed, match="not a git command"):
        await builtins.call("git", {"args": ["nonsense"]}, sandboxed)
    with pytest.raises(InvalidPayload, match="quotation"):
        await builtins.call("git", {"args": "log 'open"}, sandboxed)


async def test_a_hook_or_alias_of_git_runs_only_inside(
    builtins: ToolRegistry, sandboxed: ToolContext, root: Path, tmp_path: Path
) -> None:
    await asyncio.to_thread(subprocess.run, ["git", "init", "--quiet", str(root)], check=True)
    hook = root / ".git" / "hooks" / "pre-commit"
    hook.write_text(f"#!/bin/sh\necho escaped > {tmp_path}/escaped \nid -u; echo ran > {root}/ran\n")
    hook.chmod(0o755)
    told = await builtins.call("git", {"args": ["commit", "--allow-empty", "-m", "x"]}, sandboxed)
    alias = f"alias.out=!cat /etc/shadow; echo escaped > {tmp_path}/escaped; true"
    aliased = await builtins.call("git", {"args": ["-c", alias, "out"]}, sandboxed)
    assert (root / "ran").exists()
    assert "65534" in told["stderr"]
    assert aliased["stdout"] == ""
    assert not (tmp_path / "escaped").exists()


# sqlite_query


@pytest.fixture
def database(root: Path) -> Path:
    path = root / "data.db"
    with sqlite3.connect(path) as connection:
        connection.executescript(
            "create table person (name text, age real, photo blob);"
            "insert into person values ('Ada', 36.5, x'00ff'), ('Bo', 9e999, null);"
        )
    connection.close()
    return path


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


async def test_a_query_gives_columns_and_rows(builtins: ToolRegistry, sandboxed: ToolContext, database: Path) -> None:
    arguments = {"path": database.name, "query": "select name, age, photo from person order by name"}
    assert await builtins.call("sqlite_query", arguments, sandboxed) == {
        "columns": ["name", "age", "photo"],
        "rows": [["Ada", 36.5, "AP8="], ["Bo", "inf", None]],
        "truncated": False,
    }
    listed = await builtins.call(
        "sqlite_query", {"path": database.name, "query": "pragma table_info(person)"}, sandboxed
    )
    assert [row[1] for row in listed["rows"]] == ["name", "age", "photo"]


async def test_a_database_in_wal_mode_is_read_at_rest_and_in_use(
    builtins: ToolRegistry, sandboxed: ToolContext, database: Path
) -> None:
    arguments = {"path": database.name, "query": "select count(*) from person"}
    writer = sqlite3.connect(database)
    writer.execute("pragma journal_mode=wal")
    writer.execute("insert into person (name) values ('Cy')")
    writer.commit()
    in_use = await builtins.call("sqlite_query", arguments, sandboxed)
    writer.close()
    at_rest = await builtins.call("sqlite_query", arguments, sandboxed)
    assert in_use["rows"] == at_rest["rows"] == [[3]]


@pytest.mark.parametrize(
    "query",
    [
        "delete from person",
        "drop table person",
        "create table other (x)",
        "pragma user_version = 7",
        "pragma journal_mode = wal",
        "attach '/etc/passwd' as other",
        "attach 'other.db' as other",
        "vacuum into 'copy.db'",
        "select load_extension('x')",
        "select 1; select 2",
        "select * from missing",
    ],
)
async def test_a_query_can_neither_write_nor_attach(
    builtins: ToolRegistry, sandboxed: ToolContext, database: Path, root: Path, query: str
) -> None:
    before = digest(database)
    try:
        told = await builtins.call("sqlite_query", {"path": database.name, "query": query}, sandboxed)
    except InvalidPayload as error:
        assert error.field == "payload.tool_input.query"
    else:
        assert query.startswith("pragma")  # SQLite ignores what it cannot set
        assert told["rows"] in ([], [["delete"]])
    assert digest(database) == before
    assert names_in(root) == [database.name]


async def test_an_endless_query_and_a_large_answer_are_bounded(
    builtins: ToolRegistry, sandboxed: ToolContext, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = "with recursive n(i) as (select 1 union all select i + 1 from n)"
    told = await builtins.call(
        "sqlite_query", {"path": database.name, "query": f"{numbers} select i from n"}, sandboxed
    )
    assert told["truncated"] is True
    assert len(told["rows"]) == 10_000
    monkeypatch.setattr("vera_orchestrator.tools.builtin.data.QUERY_SECONDS", 0.5)
    with pytest.raises(ToolFailed, match="longer than"):
        await builtins.call(
            "sqlite_query", {"path": database.name, "query": f"{numbers} select sum(i) from n"}, sandboxed
        )


async def test_a_missing_database_is_named_and_not_made(
    builtins: ToolRegistry, sandboxed: ToolContext, root: Path
) -> None:
    with pytest.raises(NotFound, match=r"missing\.db"):
        await builtins.call("sqlite_query", {"path": "missing.db", "query": "select 1"}, sandboxed)
    assert names_in(root) == []


# search_files and regex_search


async def test_files_are_found_by_name_and_lines_by_expression(
    builtins: ToolRegistry, sandboxed: ToolContext, root: Path, tmp_path: Path
) -> None:
    (root / "src").mkdir()
    (root / "src" / "a.py").write_text("import os\n\ndef find_me(): ...\n")
    (root / "find_me").write_text("nothing")
    (root / "binary").write_bytes(b"find_me\0")
    (root / ".git").mkdir()
    (root / ".git" / "config").write_text("find_me")
    (tmp_path / "outside").write_text("find_me")
    (root / "link").symlink_to(tmp_path / "outside")
    told = await builtins.call("search_files", {"pattern": r"find_\w+"}, sandboxed)
    assert told == {
        "names": [],
        "lines": [{"path": "src/a.py", "line": 3, "text": "def find_me(): ..."}],
        "skipped": 1,
        "truncated": False,
        "regex_error": None,
    }
    named = await builtins.call("search_files", {"pattern": "*.py", "path": "src"}, sandboxed)
    assert named["names"] == ["src/a.py"]
    assert "nothing to repeat" in named["regex_error"]
    alone = await builtins.call("search_files", {"pattern": "^import", "path": "src/a.py"}, sandboxed)
    assert [line["line"] for line in alone["lines"]] == [1]


async def test_matches_have_places_and_groups(builtins: ToolRegistry, sandboxed: ToolContext) -> None:
    arguments = {"pattern": r"(?P<key>\w+)=(\d+)?", "text": "é a=1 {b}= b="}
    assert await builtins.call("regex_search", arguments, sandboxed) == {
        "matches": [
            {"match": "a=1", "start": 2, "end": 5, "groups": ["a", "1"], "named": {"key": "a"}},
            {"match": "b=", "start": 11, "end": 13, "groups": ["b", None], "named": {"key": "b"}},
        ],
        "truncated": False,
    }
    many = await builtins.call("regex_search", {"pattern": "", "text": "x" * 20_000}, sandboxed)
    assert many["truncated"] is True
    assert len(many["matches"]) == 10_000


async def test_a_wrong_expression_is_refused(builtins: ToolRegistry, sandboxed: ToolContext) -> None:
    with pytest.raises(InvalidPayload, match="unterminated") as raised:
        await builtins.call("regex_search", {"pattern": "(", "text": ""}, sandboxed)
    assert raised.value.field == "payload.tool_input.pattern"


async def test_an_expression_that_would_go_on_for_ever_is_ended(
    builtins: ToolRegistry, sandboxed: ToolContext, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_tools, "REGEX_SECONDS", 0.5)
    with pytest.raises(ToolFailed, match="longer than") as raised:
        await builtins.call("regex_search", {"pattern": r"(a+)+$", "text": "a" * 64 + "b"}, sandboxed)
    assert raised.value.retryable is False
    (root / "long").write_text("a" * 64 + "b")
    monkeypatch.setattr("vera_orchestrator.tools.builtin.programs.SEARCH_SECONDS", 0.5)
    with pytest.raises(ToolFailed, match="longer than"):
        await builtins.call("search_files", {"pattern": r"(a+)+$"}, sandboxed)


def commands() -> list[bytes]:
    found: list[bytes] = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # ended meanwhile
            found.append(path.read_bytes())
    return found


async def test_a_cancelled_call_leaves_no_program_behind(
    builtins: ToolRegistry, sandboxed: ToolContext, root: Path
) -> None:
    os.mkfifo(root / "started")
    pipe = os.open(root / "started", os.O_RDWR | os.O_NONBLOCK)
    loop, ready = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(pipe, ready.set)
    try:
        command = "echo go > started; exec sleep 98765.4321"
        call = asyncio.create_task(builtins.call("bash", {"command": command}, sandboxed))
        async with asyncio.timeout(30):
            await ready.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
    finally:
        loop.remove_reader(pipe)
        os.close(pipe)
    assert not any(b"98765.4321" in line for line in commands())
