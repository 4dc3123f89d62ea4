"""Programs in the sandbox, with the workspace as their folder and without network.

A program that does not exit with 0 makes the call fail; the task's result then still has what it wrote as its data.
"""

from __future__ import annotations

import shlex
from typing import Annotated, Any

from pydantic import Field

from vera_orchestrator.errors import InvalidPayload
from vera_orchestrator.tools.context import ToolContext
from vera_orchestrator.tools.sandboxed import ask_helper, python_of, run_program
from vera_orchestrator.tools.workspace import locate, open_folder

SEARCH_SECONDS = 60

GIT_ENVIRONMENT = {
    "GIT_AUTHOR_NAME": "vera",
    "GIT_AUTHOR_EMAIL": "vera@localhost",
    "GIT_COMMITTER_NAME": "vera",
    "GIT_COMMITTER_EMAIL": "vera@localhost",
    "GIT_PAGER": "cat",
    "GIT_EDITOR": "true",
    "GIT_TERMINAL_PROMPT": "0",
}


async def python(code: Annotated[str, Field(description="A Python program.")], context: ToolContext) -> dict[str, Any]:
    """Run a Python program (standard library only) in the workspace: exit_code, stdout, stderr, truncated_bytes."""
    return await run_program(context, (await python_of(context), "-I", "-u"), code=code)


async def bash(command: Annotated[str, Field(description="A Bash script.")], context: ToolContext) -> dict[str, Any]:
    """Run a Bash script in the workspace: exit_code, stdout, stderr, truncated_bytes."""
    return await run_program(context, ("bash",), code=command)


async def git(
    args: Annotated[list[str] | str, Field(description="The arguments, such as ['log', '-1'] or 'log -1'.")],
    context: ToolContext,
) -> dict[str, Any]:
    """Run git in the workspace, without network: exit_code, stdout, stderr, truncated_bytes."""
    try:
        arguments = shlex.split(args) if isinstance(args, str) else args
    except ValueError as error:
        raise InvalidPayload(
            f"{args!r} cannot be split: {error}.", field="payload.tool_input.args", remedy="Give a list of arguments."
        ) from None
    return await run_program(context, ("git", *arguments), environment=GIT_ENVIRONMENT)


async def search_files(
    pattern: Annotated[str, Field(description="Such as *.py for names; a Python regular expression for lines.")],
    context: ToolContext,
    path: Annotated[str, Field(description="The file or folder to search, in the workspace.")] = ".",
) -> dict[str, Any]:
    """Find files whose name or path fits a pattern (`names`), and lines that a regular expression matches (`lines`).

    `.git` and links are left out, and binary files (`skipped` counts them) have no lines. Gives at most 1,000 of each.
    Where the pattern is no regular expression, as *.py is not, `regex_error` says why and only names are searched.
    """
    root = context.workspace
    place = locate(root, path)
    with open_folder(root, place.parts[:-1]):  # says what is wrong with the path before a sandbox is made
        pass
    return await ask_helper(
        context,
        "search",
        {"pattern": pattern, "path": str(place), "root": str(root)},
        seconds=SEARCH_SECONDS,
        remedy="Search in a smaller folder or simplify the pattern.",
        root=root,
    )


TOOLS = (python, bash, git, search_files)
