"""A language model that calls tools, for a real llama.cpp server: it says after each character the one that follows.

Its tables are the weights: the embedding of a token is its own direction, attention and feed-forward add nothing, so
the last token alone decides. Where a grammar forbids its choice the server takes the next best.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gguf
import numpy as np

from tests.workers.llm.model import BYTE, CONTEXT, CONTROL, NORMAL, UNKNOWN

WIDTH, FEED, HEADS = 320, 32, 4
BEGIN, END, FIRST = 1, 2, 3
"""The tokens of the begin and the end, and that of byte 0."""
FOLLOWS: Mapping[str, str] = {":": "<", "<": "u", "u": "s", "s": "e", "e": ">", ">": "\n"}
"""How it comes to the mark of a call, <use>; after anything else it ends, else closes a text."""
TEMPLATE = """{%- if tools %}system:
{%- for tool in tools %}
{{ tool | tojson }}
{%- endfor %}
So: <use>
{"name": "NAME", "arguments": {}}
</use>
{% endif %}
{%- for message in messages %}{{ message.role }}:{{ message.content or "" }}
{%- for call in message.tool_calls or [] %}<use>
{"name": "{{ call.function.name }}", "arguments": {{ call.function.arguments | tojson }}}
</use>
{%- endfor %}
{% endfor %}
{%- if add_generation_prompt %}assistant:{% endif %}"""


def write_calling_model(path: Path) -> None:
    """Write the model, some megabytes of zeros and few ones."""
    writer: Any = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(1)
    writer.add_feed_forward_length(FEED)
    writer.add_head_count(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *"abcdefghij"]
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores([0.0] * len(tokens))
    writer.add_token_types([UNKNOWN, CONTROL, CONTROL, *[BYTE] * 256, *[NORMAL] * 10])
    writer.add_bos_token_id(BEGIN)
    writer.add_eos_token_id(END)
    writer.add_unk_token_id(0)
    writer.add_add_space_prefix(False)
    writer.add_chat_template(TEMPLATE)
    for name, tensor in _tensors(tokens).items():
        writer.add_tensor(f"{name}.weight", tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _tensors(tokens: list[str]) -> dict[str, Any]:
    embedding = np.eye(len(tokens), WIDTH, dtype=np.float32)
    output = np.zeros((len(tokens), WIDTH), np.float32)
    output[FIRST + ord('"'), :] = 0.5
    output[FIRST + ord("}"), :] = 0.4
    output[END, :] = 1.0
    for before, after in FOLLOWS.items():
        for token in _spellings(tokens, before):
            output[FIRST + ord(after), token] = 2.0
    ones, square = np.ones(WIDTH, np.float32), np.zeros((WIDTH, WIDTH), np.float32)
    return {
        "token_embd": embedding,
        "output": output,
        "output_norm": ones,
        "blk.0.attn_norm": ones,
        "blk.0.ffn_norm": ones,
        **{f"blk.0.attn_{name}": square for name in ("q", "k", "v", "output")},
        **{f"blk.0.ffn_{name}": np.zeros((FEED, WIDTH), np.float32) for name in ("gate", "up")},
        "blk.0.ffn_down": np.zeros((WIDTH, FEED), np.float32),
    }


def _spellings(tokens: list[str], character: str) -> list[int]:
    return [FIRST + ord(character), *(n for n, token in enumerate(tokens) if token == character)]
