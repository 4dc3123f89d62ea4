"""The tools by name."""

from __future__ import annotations

import asyncio
import difflib
import inspect
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar, overload

from pydantic_core import PydanticSerializationError, to_jsonable_python

from vera_orchestrator.errors import InvalidValue, NotFound, ResultNotSerializable
from vera_orchestrator.tools.context import ToolContext
from vera_orchestrator.tools.schema import Arguments, arguments_of

F = TypeVar("F", bound=Callable[..., Any])
NAME = re.compile(r"[A-Za-z0-9_.-]{1,128}")


@dataclass(frozen=True, kw_only=True)
class Tool:
    """A registered function; `is_async` ones run on the event loop, the others in a thread."""

    name: str
    description: str
    function: Callable[..., Any]
    arguments: Arguments
    is_async: bool


class ToolRegistry:
    """Typed functions that tasks can call by name.

    ```
    @registry.tool
    def add(a: int, b: int = 1) -> int:
        "Add two numbers."
        return a + b
    ```

    The JSON Schema of the arguments comes from the type hints (`Annotated[int, Field(description=…)]` describes one),
    the description from the docstring. A parameter annotated `ToolContext` is filled in. What a tool returns becomes a
    JSON value.
    """

    def __init__(self) -> None:
        self._tools: dict[str, Tool] = {}

    @overload
    def tool(self, function: F, /) -> F: ...

    @overload
    def tool(
        self, /, *, name: str | None = None, description: str | None = None, replace: bool = False
    ) -> Callable[[F], F]: ...

    def tool(
        self,
        function: F | None = None,
        /,
        *,
        name: str | None = None,
        description: str | None = None,
        replace: bool = False,
    ) -> F | Callable[[F], F]:
        """Register a function, as `@registry.tool` or `@registry.tool(name=…)`; returns it unchanged.

        Raises InvalidValue for a name that is taken (unless `replace`) or a signature that has no JSON Schema.
        """
        if function is not None:
            self._add(_tool(function, name, description), replace=replace)
            return function

        def register(decorated: F) -> F:
            self._add(_tool(decorated, name, description), replace=replace)
            return decorated

        return register

    def add_all(self, functions: Iterable[Callable[..., Any]]) -> None:
        """Register each function under its own name; raises InvalidValue as `tool` does."""
        for function in functions:
            self.tool(function)

    def include(self, other: ToolRegistry) -> None:
        """Take over all tools of another registry, or none: raises InvalidValue if a name is taken."""
        for name in other._tools:
            self._refuse_taken(name)
        self._tools.update(other._tools)

    def names(self) -> list[str]:
        """Return the names, sorted."""
        return sorted(self._tools)

    def schemas(self) -> list[dict[str, Any]]:
        """Return `{"name", "description", "input_schema"}` of each tool, sorted by name."""
        return [
            {"name": tool.name, "description": tool.description, "input_schema": tool.arguments.schema()}
            for _, tool in sorted(self._tools.items())
        ]

    async def call(self, name: str, tool_input: dict[str, Any], context: ToolContext) -> Any:
        """Run a tool and return its result as a JSON value.

        A synchronous tool runs in a thread, which goes on to its end if the caller is cancelled. Raises NotFound,
        InvalidPayload (the argument as `payload.tool_input.NAME`), ResultNotSerializable, and what the tool raises.
        """
        tool = self._find(name)
        arguments = tool.arguments.check(name, tool_input)
        if tool.arguments.context is not None:
            arguments[tool.arguments.context] = context
        try:
            if tool.is_async:
                return _as_json(name, await tool.function(**arguments))
            return await asyncio.to_thread(_call_in_thread, tool, arguments)
        except SystemExit as exit_:
            # Left alone it would end the event loop, and with it every other task.
            raise RuntimeError(f"The tool {name} called sys.exit({exit_.code!r}).") from exit_

    def _find(self, name: str) -> Tool:
        tool = self._tools.get(name)
        if tool is not None:
            return tool
        near = difflib.get_close_matches(name, self._tools, n=3, cutoff=0.5)
        remedy = f"Did you mean {' or '.join(near)}?" if near else f"There are: {', '.join(self.names()) or 'none'}."
        raise NotFound(f"There is no tool {name!r}.", field="payload.tool_name", remedy=remedy)

    def _add(self, tool: Tool, *, replace: bool) -> None:
        if not replace:
            self._refuse_taken(tool.name)
        self._tools[tool.name] = tool

    def _refuse_taken(self, name: str) -> None:
        if name in self._tools:
            raise InvalidValue(
                f"There is a tool {name!r} already.", field="name", remedy="Give another name, or replace=True."
            )


def _tool(function: Callable[..., Any], name: str | None, description: str | None) -> Tool:
    chosen = name or str(getattr(function, "__name__", type(function).__name__))
    if not NAME.fullmatch(chosen):
        raise InvalidValue(
            f"{chosen!r} is not a name for a tool.",
            field="name",
            remedy="Use 1 to 128 letters, digits, underscores, dots and dashes, as in @registry.tool(name='resize').",
        )
    return Tool(
        name=chosen,
        description=description if description is not None else inspect.getdoc(function) or "",
        function=function,
        arguments=arguments_of(function),
        is_async=_is_async(function),
    )


def _is_async(function: Callable[..., Any]) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)


def _call_in_thread(tool: Tool, arguments: dict[str, Any]) -> Any:
    try:
        return _as_json(tool.name, tool.function(**arguments))
    except StopIteration as error:
        # An asyncio future cannot carry one: the caller would wait for ever.
        raise RuntimeError(f"The tool {tool.name} raised StopIteration.") from error


def _as_json(name: str, value: Any) -> Any:
    try:
        return to_jsonable_python(value)
    except (PydanticSerializationError, ValueError) as error:
        raise ResultNotSerializable(
            f"What the tool {name} returned has no JSON form: {error}.", remedy="Let it return plain JSON values."
        ) from error
