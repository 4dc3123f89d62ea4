"""What of a call grows only at the provider, so that its size is not known before it is sent: pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

from vera_orchestrator.workers.llm.conversation import ImagePart, Message, NativePart, NativeTool, Part, TextPart, Tool
from vera_orchestrator.workers.llm.forms import EmbeddingCall, LLMCall
from vera_orchestrator.workers.llm.messages import mapping

FETCHED = frozenset(
    {
        "attachments",
        "cached_content",
        "cachedContent",
        "chat_template",
        "container",
        "conversation",
        "conversation_id",
        "data_sources",
        "enable_search",
        "file",
        "file_data",
        "file_id",
        "file_ids",
        "file_uri",
        "file_url",
        "fileData",
        "fileId",
        "fileUri",
        "files",
        "image_url",
        "images",
        "inline_data",
        "inlineData",
        "mcp_servers",
        "plugins",
        "previous_response_id",
        "search_parameters",
        "system_instruction",
        "systemInstruction",
        "thread_id",
        "video",
        "video_url",
        "videos",
        "web_search_options",
    }
)
"""Fields that stand for more than what is written in them: files, caches, earlier conversations, searches."""
PLAIN_KINDS = frozenset(
    {
        "output_text",
        "reasoning",
        "redacted_thinking",
        "refusal",
        "search_result",
        "text",
        "thinking",
        "tool_result",
        "tool_use",
    }
)
"""Parts in a provider's own form that are text and JSON, all of which is sent."""
PLAIN_FIELDS = frozenset(
    {
        "code_execution_result",
        "codeExecutionResult",
        "executable_code",
        "executableCode",
        "function_call",
        "function_response",
        "functionCall",
        "functionResponse",
        "text",
        "thought",
        "thought_signature",
        "thoughtSignature",
    }
)
"""The same for Gemini's, which have no kind."""
LOCAL_TOOLS = ("bash_", "computer_", "custom", "memory_", "text_editor_")
"""How tools begin that a provider describes to its models and leaves to the caller to run."""


def unbounded_field(call: LLMCall | EmbeddingCall, *, fetches_files: bool) -> str | None:
    """Return the first field of a payload whose share of the input nobody knows before; None: all is counted.

    `fetches_files` says that the provider takes any kind of file from the address of an image.
    """
    return next(_unbounded(call, fetches_files=fetches_files), None)


def _unbounded(call: LLMCall | EmbeddingCall, *, fetches_files: bool) -> Iterator[str]:
    yield from (f"payload.{name}" for name in sorted(FETCHED & call.extra.keys()))
    if isinstance(call, EmbeddingCall):
        return
    yield from (f"payload.tools.{number}" for number, tool in enumerate(call.tools) if not _is_local(tool))
    for number, message in enumerate(call.messages):
        yield from _in_message(message, f"payload.messages.{number}", fetches_files=fetches_files)


def _in_message(message: Message, field: str, *, fetches_files: bool) -> Iterator[str]:
    # here `audio` is an earlier answer that was spoken, which the provider keeps
    yield from (f"{field}.{name}" for name in sorted((FETCHED | {"audio"}) & message.extra.keys()))
    for number, part in enumerate(message.parts):
        if not _is_counted(part, fetches_files=fetches_files):
            yield f"{field}.content.{number}"


def _is_counted(part: Part, *, fetches_files: bool) -> bool:
    match part:
        case TextPart():
            return not FETCHED & part.extra.keys()
        case ImagePart(url=None):
            return (part.media_type or "").startswith("image/")
        case ImagePart():
            return not fetches_files
        case NativePart():
            return _is_plain(part.value)


def _is_plain(part: Mapping[str, Any]) -> bool:
    if FETCHED & part.keys():
        return False
    match part.get("type"):
        case None:
            answer = mapping(part.get("function_response", part.get("functionResponse"))) or {}
            return part.keys() <= PLAIN_FIELDS and "parts" not in answer
        case "document":
            return (mapping(part.get("source")) or {}).get("type") == "text"
        case kind:
            return kind in PLAIN_KINDS and _holds_text(part.get("content"))


def _holds_text(content: Any) -> bool:
    if not isinstance(content, list):
        return content is None or isinstance(content, str)
    parts = [mapping(one) for one in cast("list[Any]", content)]
    return all(part is not None and _is_plain(part) for part in parts)


def _is_local(tool: Tool | NativeTool) -> bool:
    if isinstance(tool, Tool):
        return True
    return tool.value.keys() <= {"function_declarations", "functionDeclarations"} or str(
        tool.value.get("type")
    ).startswith(LOCAL_TOOLS)
