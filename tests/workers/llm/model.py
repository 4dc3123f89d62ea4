"""A language model of random weights, served by a real llama.cpp in this process."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import gguf
import numpy as np

WIDTH, FEED, HEADS, CONTEXT = 64, 128, 4, 2048
NORMAL, UNKNOWN, CONTROL, BYTE = 1, 2, 3, 6
TEMPLATE = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"


def write_model(path: Path) -> None:
    """Write a model of one layer whose tokens are bytes; half a megabyte."""
    writer: Any = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(1)
    writer.add_feed_forward_length(FEED)
    writer.add_head_count(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *"abcdefghij"]
    kinds = [UNKNOWN, CONTROL, CONTROL, *[BYTE] * 256, *[NORMAL] * 10]
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores([0.0] * len(tokens))
    writer.add_token_types(kinds)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_chat_template(TEMPLATE)
    random = np.random.default_rng(1)

    def weights(*shape: int) -> Any:
        return random.normal(0, 0.05, shape).astype(np.float32)

    ones = np.ones(WIDTH, np.float32)
    tensors = {"token_embd": weights(len(tokens), WIDTH), "output": weights(len(tokens), WIDTH), "output_norm": ones}
    tensors |= {f"blk.0.attn_{name}": weights(WIDTH, WIDTH) for name in ("q", "k", "v", "output")}
    tensors |= {"blk.0.attn_norm": ones, "blk.0.ffn_norm": ones, "blk.0.ffn_down": weights(WIDTH, FEED)}
    tensors |= {f"blk.0.ffn_{name}": weights(FEED, WIDTH) for name in ("gate", "up")}
    for name, tensor in tensors.items():
        writer.add_tensor(f"{name}.weight", tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


@contextmanager
def llama_server(path: Path, *, key: str) -> Generator[str]:
    """Serve a model on a free port of loopback, for one key; gives the address."""
    xllamacpp: Any = import_module("xllamacpp")  # has no types
    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.model_alias = {path.name}
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.n_ctx = CONTEXT
    params.n_parallel = 2
    params.warmup = False
    params.cpuparams.n_threads = 1
    params.cpuparams_batch.n_threads = 1
    params.api_keys = [key]
    server = xllamacpp.Server(params)
    yield server.listening_address
    del server  # ends its threads
