"""The file tools and the workspace: what they do, and that no path leads out."""

import os
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests.tools.conftest import MakeContext, names_in
from vera_orchestrator.errors import InvalidPayload, NotAllowed, NotConfigured, NotFound, ResultTooLarge, VeraError
from vera_orchestrator.settings import OrchestratorConfig
from vera_orchestrator.tools import ToolContext, ToolRegistry
from vera_orchestrator.tools.builtin.files import MAX_READ_BYTES
from vera_orchestrator.tools.workspace import locate, open_file, open_folder


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "secret").write_text("secret")
    return folder


def everything(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_the_workspace_is_made_on_first_use_for_its_owner_alone(
    settings: OrchestratorConfig, context: ToolContext
) -> None:
    assert not settings.workspace.exists()
    assert context.workspace == settings.workspace
    assert stat.S_IMODE(settings.workspace.stat().st_mode) == 0o700


@pytest.mark.parametrize("inside", [".", "deep/er/state"])
def test_a_workspace_that_holds_the_state_folder_is_refused(
    tmp_path: Path, make_context: MakeContext, inside: str
) -> None:
    context = make_context(OrchestratorConfig(home=tmp_path / "work" / inside, tools_root=tmp_path / "work"))
    with pytest.raises(NotConfigured, match="VERA_TOOLS_ROOT"):
        _ = context.workspace
    assert not (tmp_path / "work").exists()


def test_a_link_does_not_hide_that_the_workspace_holds_the_state_folder(
    tmp_path: Path, make_context: MakeContext
) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    context = make_context(OrchestratorConfig(home=tmp_path / "state", tools_root=tmp_path / "link"))
    with pytest.raises(NotConfigured, match="state folder"):
        _ = context.workspace


async def test_what_was_written_is_read_and_listed(builtins: ToolRegistry, context: ToolContext, root: Path) -> None:
    written = await builtins.call("write_file", {"path": "notes/été.txt", "content": "één\r\n"}, context)
    assert written == {"path": "notes/été.txt", "bytes": 7}
    assert await builtins.call("read_file", {"path": "notes/été.txt"}, context) == "één\r\n"
    (root / "notes" / "link").symlink_to("été.txt")
    (root / "notes" / "folder").mkdir()
    listing = await builtins.call("list_directory", {"path": "notes"}, context)
    assert [(entry["name"], entry["type"]) for entry in listing["entries"]] == [
        ("folder", "directory"),
        ("link", "link"),
        ("été.txt", "file"),
    ]
    assert listing["entries"][2]["size"] == 7
    assert listing["omitted"] == 0


async def test_an_absolute_path_and_a_link_inside_the_workspace_are_fine(
    builtins: ToolRegistry, context: ToolContext, root: Path
) -> None:
    (root / "a").write_text("one")
    (root / "b").symlink_to("a")
    (root / "new").symlink_to("not-yet")
    assert await builtins.call("read_file", {"path": str(root / "a")}, context) == "one"
    await builtins.call("write_file", {"path": "b", "content": "two"}, context)
    assert (root / "b").is_symlink()
    assert (root / "a").read_text() == "two"
    await builtins.call("write_file", {"path": "new", "content": "three"}, context)
    assert (root / "not-yet").read_text() == "three"


async def test_a_file_is_replaced_whole_and_keeps_its_mode(
    builtins: ToolRegistry, context: ToolContext, root: Path
) -> None:
    (root / "run.sh").write_text("old and longer")
    (root / "run.sh").chmod(0o750)
    os.link(root / "run.sh", root / "twin")
    await builtins.call("write_file", {"path": "run.sh", "content": "new"}, context)
    assert everything(root) == {"run.sh": "new", "twin": "old and longer"}
    assert stat.S_IMODE((root / "run.sh").stat().st_mode) == 0o750


ESCAPES = [
    "../outside/secret",
    "a/../../outside/secret",
    "ABSOLUTE",
    "link",
    "folder/secret",
    "chain",
    "a/up/outside/secret",
]


@pytest.mark.parametrize("path", ESCAPES)
@pytest.mark.parametrize("tool", ["read_file", "write_file", "list_directory", "search_files", "sqlite_query"])
async def test_no_path_leads_out_of_the_workspace(
    builtins: ToolRegistry, context: ToolContext, root: Path, outside: Path, path: str, tool: str
) -> None:
    (root / "a").mkdir()
    (root / "link").symlink_to(outside / "secret")
    (root / "chain").symlink_to("link")
    (root / "folder").symlink_to(outside)
    (root / "a" / "up").symlink_to("../..")
    extra: dict[str, Any] = {
        "write_file": {"content": "changed"},
        "search_files": {"pattern": "secret"},
        "sqlite_query": {"query": "select 1"},
    }.get(tool, {})
    target = str(outside / "secret") if path == "ABSOLUTE" else path
    with pytest.raises(NotAllowed, match="tools_root") as raised:
        await builtins.call(tool, {"path": target, **extra}, context)
    assert str(root) in raised.value.message
    assert raised.value.field == "payload.tool_input.path"
    assert everything(outside) == {"secret": "secret"}


async def test_a_dangling_link_is_no_way_to_write_outside(
    builtins: ToolRegistry, context: ToolContext, root: Path, outside: Path
) -> None:
    (root / "link").symlink_to(outside / "new")
    with pytest.raises(NotAllowed):
        await builtins.call("write_file", {"path": "link", "content": "x"}, context)
    assert everything(outside) == {"secret": "secret"}


def test_a_link_that_appears_after_the_check_is_not_followed(root: Path, outside: Path) -> None:
    (root / "sub").mkdir()
    (root / "sub" / "secret").write_text("mine")
    place = locate(root, "sub/secret")
    (root / "sub" / "secret").unlink()
    (root / "sub").rmdir()
    (root / "sub").symlink_to(outside)  # what stood at the place when it was checked is now a way out
    with pytest.raises(NotAllowed), open_file(root, place.parts):
        raise AssertionError("it must not open")
    with pytest.raises(NotAllowed), open_folder(root, place.parts[:-1], create=True):
        raise AssertionError("it must not open")
    (root / "sub").unlink()
    (root / "sub").mkdir()
    (root / "sub" / "secret").symlink_to(outside / "secret")
    with pytest.raises(NotAllowed), open_file(root, place.parts):
        raise AssertionError("it must not open")


async def test_what_is_missing_or_of_the_wrong_kind_is_named(
    builtins: ToolRegistry, context: ToolContext, root: Path
) -> None:
    (root / "file").write_text("")
    (root / "folder").mkdir()
    os.mkfifo(root / "pipe")
    for tool, path in [
        ("read_file", "missing"),
        ("read_file", "missing/file"),
        ("read_file", "file/below"),
        ("read_file", "folder"),
        ("read_file", "."),
        ("read_file", "pipe"),
        ("list_directory", "missing"),
        ("list_directory", "file"),
    ]:
        with pytest.raises(NotFound) as raised:
            await builtins.call(tool, {"path": path}, context)
        assert path.partition("/")[0] in raised.value.message
    for path in (".", "folder", "file/below"):
        with pytest.raises(NotFound):
            await builtins.call("write_file", {"path": path, "content": ""}, context)
    with pytest.raises(InvalidPayload, match="path"):
        await builtins.call("read_file", {"path": "a\0b"}, context)
    assert names_in(root) == ["file", "folder", "pipe"]


async def test_a_file_that_is_too_large_or_no_text_is_refused_with_another_way(
    builtins: ToolRegistry, context: ToolContext, root: Path
) -> None:
    (root / "binary").write_bytes(b"ok\xff")
    with pytest.raises(InvalidPayload, match=r"byte 2.*python"):
        await builtins.call("read_file", {"path": "binary"}, context)
    with (root / "large").open("wb") as file:
        file.truncate(MAX_READ_BYTES + 1)
    with pytest.raises(ResultTooLarge, match="large"):
        await builtins.call("read_file", {"path": "large"}, context)
    os.truncate(root / "large", MAX_READ_BYTES)
    assert len(await builtins.call("read_file", {"path": "large"}, context)) == MAX_READ_BYTES


def test_a_name_that_is_not_utf8_is_listed(root: Path, builtins: ToolRegistry, context: ToolContext) -> None:
    del builtins
    from vera_orchestrator.tools.builtin.files import list_directory

    (root / os.fsdecode(b"caf\xe9")).touch()
    assert [entry["name"] for entry in list_directory(".", context)["entries"]] == ["caf\ufffd"]


@given(parts=st.lists(st.sampled_from(["..", ".", "a", "out", "in", "", "/", "\u0000"]), max_size=6))
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_whatever_the_path_its_place_is_inside(root: Path, outside: Path, parts: list[str]) -> None:
    for name, target in (("out", outside), ("in", root)):
        if not (root / name).is_symlink():
            (root / name).symlink_to(target)
    try:
        place = locate(root, "/".join(parts))
    except VeraError:
        return
    assert (root / place).resolve().is_relative_to(root)
    assert ".." not in place.parts
