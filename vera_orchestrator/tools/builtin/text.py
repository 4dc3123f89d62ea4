"""Text: counts, digests, and matches of a regular expression."""

from __future__ import annotations

import hashlib
import re
from typing import Annotated, Any, Literal

from pydantic import Field

from vera_orchestrator.tools.context import ToolContext
from vera_orchestrator.tools.sandboxed import ask_helper

BYTES_PER_TOKEN = 4
REGEX_SECONDS = 10

WORD = re.compile(r"\w+(?:['’]\w+)*")  # noqa: RUF001  # the typographic apostrophe is meant
SENTENCE_END = re.compile(r"[.!?…]+(?=\s|$)")

Text = Annotated[str, Field(description="The text.")]
Algorithm = Literal["md5", "sha1", "sha224", "sha256", "sha384", "sha512", "sha3_256", "sha3_512", "blake2b", "blake2s"]


def count_tokens(text: Text) -> dict[str, Any]:
    """Estimate how many tokens a language model makes of a text, at four UTF-8 bytes each.

    Models differ; for English prose the estimate is within about a quarter. It needs no network.
    """
    return {"tokens": -(-len(text.encode(errors="replace")) // BYTES_PER_TOKEN), "method": "estimate"}


def text_stats(text: Text) -> dict[str, int]:
    """Count the characters, UTF-8 bytes, words, lines, sentences and paragraphs of a text."""
    words = WORD.findall(text)
    return {
        "characters": len(text),
        "bytes": len(text.encode(errors="replace")),
        "words": len(words),
        "unique_words": len({word.casefold() for word in words}),
        "lines": len(text.splitlines()),
        "sentences": len(SENTENCE_END.findall(text)),
        "paragraphs": sum(1 for part in re.split(r"\n[ \t]*\n", text) if part.strip()),
    }


def hash_text(text: Text, algorithm: Algorithm = "sha256") -> dict[str, str]:
    """Return the digest of a text's UTF-8 bytes, in hexadecimal."""
    # Asked for by name, and not for safety: md5 must also work where the machine's policy bans it.
    digest = hashlib.new(algorithm, text.encode(errors="surrogatepass"), usedforsecurity=False)
    return {"algorithm": algorithm, "digest": digest.hexdigest()}


async def regex_search(
    pattern: Annotated[str, Field(description="A Python regular expression.")], text: Text, context: ToolContext
) -> dict[str, Any]:
    """Find all matches of a regular expression: match, start, end, groups and named groups; at most 10,000.

    Ends after 10 seconds, also where the pattern would go on for ever.
    """
    return await ask_helper(
        context, "regex", {"pattern": pattern, "text": text}, seconds=REGEX_SECONDS, remedy="Simplify the pattern."
    )


TOOLS = (count_tokens, text_stats, hash_text, regex_search)
