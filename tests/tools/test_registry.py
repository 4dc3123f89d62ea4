"""A typed function becomes a tool: its schema, the checking of arguments, where it runs."""

import asyncio
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from vera_orchestrator.errors import InvalidPayload, InvalidValue, NotFound, ResultNotSerializable
from vera_orchestrator.tools import ToolContext, ToolRegistry
from vera_orchestrator.tools.schema import arguments_of


@pytest.fixture
def registry() -> ToolRegistry:
    return ToolRegistry()


class Size(BaseModel):
    width: int
    height: int = 1


def test_a_schema_comes_from_type_hints_and_docstring(registry: ToolRegistry) -> None:
    @registry.tool
    def resize(path: Annotated[str, Field(description="Which image.")], size: Size, keep: bool = True) -> None:
        """Resize an image."""

    assert registry.schemas() == [
        {
            "name": "resize",
            "description": "Resize an image.",
            "input_schema": {
                "type": "object",
                "additionalProperties": False,
                "required": ["path", "size"],
                "properties": {
                    "path": {"type": "string", "description": "Which image."},
                    "size": {"$ref": "#/$defs/Size"},
                    "keep": {"type": "boolean", "default": True},
                },
                "$defs": {
                    "Size": {
                        "title": "Size",
                        "type": "object",
                        "required": ["width"],
                        "properties": {"width": {"type": "integer"}, "height": {"type": "integer", "default": 1}},
                    }
                },
            },
        }
    ]


def test_a_tool_may_have_another_name_and_description(registry: ToolRegistry) -> None:
    @registry.tool(name="images.resize", description="Makes images smaller.")
    def resize() -> None: ...

    assert registry.names() == ["images.resize"]
    assert registry.schemas()[0]["description"] == "Makes images smaller."
    assert resize.__name__ == "resize"


async def test_arguments_arrive_with_their_types_and_defaults_hold(
    registry: ToolRegistry, context: ToolContext
) -> None:
    @registry.tool
    def area(size: Size, times: int = 2) -> list[Any]:
        return [type(size).__name__, size.width * size.height * times]

    assert await registry.call("area", {"size": {"width": 3}}, context) == ["Size", 6]
    assert await registry.call("area", {"size": {"width": 3, "height": 2}, "times": "5"}, context) == ["Size", 30]


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({}, "payload.tool_input.size"),
        ({"size": {"width": "wide"}}, "payload.tool_input.size.width"),
        ({"size": {"width": 1}, "times": None}, "payload.tool_input.times"),
        ({"size": {"width": 1}, "colour": "red"}, "payload.tool_input.colour"),
        ([], "payload.tool_input"),
    ],
)
async def test_a_wrong_argument_is_named_with_what_the_tool_takes(
    registry: ToolRegistry, context: ToolContext, given: Any, field: str
) -> None:
    @registry.tool
    def area(size: Size, times: int = 2) -> None:
        raise AssertionError("it must not run")

    with pytest.raises(InvalidPayload) as raised:
        await registry.call("area", given, context)
    assert raised.value.field == field
    assert raised.value.remedy == "The tool area takes size, times (optional)."


@pytest.mark.parametrize("name", ["json", "schema", "model_config", "copy", "self_", "_hidden", "validate"])
async def test_a_parameter_may_have_any_name(registry: ToolRegistry, context: ToolContext, name: str) -> None:
    space: dict[str, Any] = {}
    exec(f"def echo({name}: int): return {name}", space)
    registry.tool(space["echo"])
    assert list(registry.schemas()[0]["input_schema"]["properties"]) == [name]
    assert await registry.call("echo", {name: 7}, context) == 7


async def test_the_context_is_injected_and_no_part_of_the_schema(registry: ToolRegistry, context: ToolContext) -> None:
    @registry.tool
    async def where(surroundings: ToolContext, name: str) -> str:
        return str(surroundings.workspace / name)

    assert list(registry.schemas()[0]["input_schema"]["properties"]) == ["name"]
    assert await registry.call("where", {"name": "x"}, context) == str(context.workspace / "x")
    with pytest.raises(InvalidPayload, match="surroundings"):
        await registry.call("where", {"name": "x", "surroundings": {}}, context)


async def test_an_unknown_tool_is_refused_with_near_names(registry: ToolRegistry, context: ToolContext) -> None:
    @registry.tool
    def read_file() -> None: ...

    with pytest.raises(NotFound, match="Did you mean read_file"):
        await registry.call("read_files", {}, context)
    with pytest.raises(NotFound, match="There are: read_file"):
        await registry.call("zzz", {}, context)


def test_a_taken_name_is_refused_unless_it_is_meant(registry: ToolRegistry) -> None:
    def size(text: str) -> None: ...

    def another(text: str, more: int) -> None: ...

    registry.tool(size)
    with pytest.raises(InvalidValue, match="size"):
        registry.tool(name="size")(another)
    assert list(registry.schemas()[0]["input_schema"]["properties"]) == ["text"]
    registry.tool(name="size", replace=True)(another)
    assert list(registry.schemas()[0]["input_schema"]["properties"]) == ["text", "more"]


def test_functions_that_cannot_be_called_by_name_are_refused(registry: ToolRegistry) -> None:
    def many(*args: int) -> None: ...

    def any_name(**kwargs: int) -> None: ...

    def by_place(value: int, /) -> None: ...

    def threads(lock: threading.Lock) -> None: ...

    def unresolved(value: "NoSuchType") -> None: ...  # noqa: F821  # pyright: ignore

    functions: list[Any] = [many, any_name, by_place, threads, unresolved]
    for function in functions:
        with pytest.raises(InvalidValue, match=function.__name__):
            registry.tool(function)
    with pytest.raises(InvalidValue, match="name"):
        registry.tool(lambda: 1)
    assert registry.names() == []


async def test_a_synchronous_tool_does_not_hold_up_the_loop(registry: ToolRegistry, context: ToolContext) -> None:
    entered, go_on = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    @registry.tool
    def wait() -> bool:
        loop.call_soon_threadsafe(entered.set)
        return go_on.wait(30)

    call = asyncio.create_task(registry.call("wait", {}, context))
    async with asyncio.timeout(30):
        await entered.wait()  # the loop runs while the tool blocks
        assert not call.done()
        go_on.set()
        assert await call is True


async def test_an_asynchronous_tool_runs_on_the_loop(registry: ToolRegistry, context: ToolContext) -> None:
    class Ask:
        async def __call__(self) -> str:
            return threading.current_thread().name

    @registry.tool
    async def ask() -> str:
        return threading.current_thread().name

    registry.tool(name="object")(Ask())
    here = threading.current_thread().name
    assert await registry.call("ask", {}, context) == here
    assert await registry.call("object", {}, context) == here


@dataclass
class Found:
    path: Path
    at: datetime


async def test_what_a_tool_returns_becomes_a_json_value(registry: ToolRegistry, context: ToolContext) -> None:
    @registry.tool
    def find() -> list[Any]:
        return [Found(Path("a"), datetime(2025, 1, 1, tzinfo=UTC)), Size(width=2), (1, {"x": {3}})]

    assert await registry.call("find", {}, context) == [
        {"path": "a", "at": "2025-01-01T00:00:00Z"},
        {"width": 2, "height": 1},
        [1, {"x": [3]}],
    ]


async def test_a_result_without_json_form_is_refused(registry: ToolRegistry, context: ToolContext) -> None:
    @registry.tool
    def lock() -> Any:
        return threading.Lock()

    loop: list[Any] = []
    loop.append(loop)
    registry.tool(name="circle")(lambda: loop)
    for name in ("lock", "circle"):
        with pytest.raises(ResultNotSerializable, match=name):
            await registry.call(name, {}, context)


@pytest.mark.parametrize("error", [StopIteration(1), SystemExit(3)])
@pytest.mark.parametrize("is_async", [True, False])
async def test_a_tool_cannot_end_the_loop_or_leave_its_caller_waiting(
    registry: ToolRegistry, context: ToolContext, error: BaseException, is_async: bool
) -> None:
    async def later() -> None:
        raise error

    def now() -> None:
        raise error

    registry.tool(name="leave")(later if is_async else now)
    async with asyncio.timeout(30):
        with pytest.raises(RuntimeError):
            await registry.call("leave", {}, context)


async def test_another_registry_is_taken_over_whole_or_not_at_all(registry: ToolRegistry, context: ToolContext) -> None:
    other = ToolRegistry()
    other.tool(name="one")(lambda: 1)
    other.tool(name="two")(lambda: 2)
    registry.tool(name="two")(lambda: 0)
    with pytest.raises(InvalidValue, match="two"):
        registry.include(other)
    assert registry.names() == ["two"]
    apart = ToolRegistry()
    apart.include(other)
    assert await apart.call("two", {}, context) == 2


@given(
    values=st.dictionaries(
        st.sampled_from(["a", "b", "c"]), st.integers() | st.sampled_from(["", "1", "x"]) | st.none()
    )
)
def test_arguments_either_fit_or_are_refused_by_name(values: dict[str, Any]) -> None:
    def function(a: int, b: str | None = None) -> None: ...

    try:
        checked = arguments_of(function).check("function", values)
    except InvalidPayload as error:
        assert error.field in {"payload.tool_input.a", "payload.tool_input.b", "payload.tool_input.c"}
    else:
        assert set(checked) == set(values) <= {"a", "b"}
        assert isinstance(checked["a"], int)
