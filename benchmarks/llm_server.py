"""A llama.cpp server in a process of its own, with a tiny model of random weights: `python -m benchmarks.llm_server`.

It answers in about a millisecond of its own time, so that what stands before it is what is measured.
"""

from __future__ import annotations

import os
import signal
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.llm_load import MODEL
from tests.workers.llm.model import write_model

CONTEXT = 256  # tokens of one slot
HTTP_THREADS = 512  # an idle connection holds one for seconds: those of all ways must fit, 64 each


def main() -> None:
    """Serve on BENCH_LLAMA_PORT with BENCH_LLAMA_SLOTS slots, until a signal ends the process."""
    path = Path(os.environ["BENCH_LLAMA_MODEL"])
    write_model(path)
    xllamacpp: Any = import_module("xllamacpp")  # has no types
    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.model_alias = {MODEL}
    params.hostnames = ["127.0.0.1"]
    params.port = int(os.environ["BENCH_LLAMA_PORT"])
    params.n_parallel = int(os.environ["BENCH_LLAMA_SLOTS"])
    params.n_ctx = params.n_parallel * CONTEXT
    params.n_threads_http = HTTP_THREADS
    params.cache_ram_mib = 0  # each request would search what all earlier ones left there
    params.warmup = False
    params.cpuparams.n_threads = 1
    params.cpuparams_batch.n_threads = 1
    server = xllamacpp.Server(params)
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    del server  # ends its threads


if __name__ == "__main__":
    main()
