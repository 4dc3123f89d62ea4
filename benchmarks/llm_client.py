"""Asks a server by OpenAI's own client and measures.

The variables BENCH_LLM_URL and BENCH_LLM_KEY say which and with what key.
"""

from __future__ import annotations

import asyncio
import os

import openai

from benchmarks.llm_load import MAX_TOKENS, MODEL, Load
from benchmarks.serving import serve


async def main() -> None:
    """Answer commands."""
    client = openai.AsyncOpenAI(
        api_key=os.environ["BENCH_LLM_KEY"], base_url=os.environ["BENCH_LLM_URL"], max_retries=0
    )

    async def once(prompt: str) -> None:
        answer = await client.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": prompt}], max_tokens=MAX_TOKENS, temperature=0
        )
        if answer.usage is None or answer.usage.completion_tokens != MAX_TOKENS:
            raise RuntimeError(f"not the answer that was asked for: {answer}")

    async with client:
        await serve({"offer": Load(once).offer})


if __name__ == "__main__":
    asyncio.run(main())
