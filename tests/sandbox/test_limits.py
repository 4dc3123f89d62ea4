from __future__ import annotations

import os
import tracemalloc

import pytest

from tests.sandbox.support import bash, python, ready
from vera_orchestrator.sandbox import Ending, Sandbox
from vera_orchestrator.sandbox.cgroup import Cgroups

FORKS = """
import os, signal
started = 0
try:
    while started < 500:
        if os.fork() == 0:
            signal.pause()
        started += 1
except OSError as error:
    print(started, type(error).__name__)
"""
SHARED_GREED = """
import os, signal
for _ in range(8):
    if os.fork() == 0:
        block = bytearray(b"x") * (40 << 20)
        signal.pause()
signal.pause()
"""


async def test_a_program_that_takes_too_much_memory_ends(sandbox: Sandbox) -> None:
    outcome = await python(sandbox, "x = bytearray(10**9)", memory_mb=128)
    assert outcome.exit_code != 0
    assert outcome.ending in (Ending.EXITED, Ending.OUT_OF_MEMORY)
    assert "MemoryError" in outcome.stderr or outcome.out_of_memory


async def test_processes_that_take_too_much_memory_together_end(sandbox: Sandbox) -> None:
    outcome = await python(sandbox, SHARED_GREED, memory_mb=128, timeout=30)
    assert outcome.ending is Ending.OUT_OF_MEMORY
    assert outcome.out_of_memory


async def test_memory_that_processes_share_counts_once(sandbox: Sandbox) -> None:
    code = (
        "import os\n"
        "block = bytearray(b'x') * (60 << 20)\n"
        "for _ in range(2):\n"
        "    if os.fork() == 0:\n"
        "        sum(block)\n"  # it reads all of it, for as long as it takes to be looked at
        "        os._exit(0)\n"
        "while True:\n"
        "    try: os.wait()\n"
        "    except ChildProcessError: break\n"
        "print('done')\n"
    )
    outcome = await python(sandbox, code, memory_mb=160)
    assert (outcome.ending, outcome.exit_code) == (Ending.EXITED, 0)


async def test_a_fork_bomb_is_held(sandbox: Sandbox) -> None:
    outcome = await python(sandbox, FORKS, processes=20)
    count, error = outcome.stdout.split()
    assert error == "BlockingIOError"
    assert int(count) < 20


@pytest.mark.skipif(os.geteuid() != 0, reason="another user has no control groups to do without")
async def test_a_fork_bomb_is_held_where_root_has_no_control_groups() -> None:
    sandbox = await ready(Sandbox(cgroups=Cgroups([])))
    outcome = await python(sandbox, FORKS, processes=20)
    count, error = outcome.stdout.split()
    assert error == "BlockingIOError"
    assert int(count) < 20


async def test_a_program_that_burns_processor_time_ends(sandbox: Sandbox) -> None:
    outcome = await bash(sandbox, "while :; do :; done", cpu_seconds=1)
    assert (outcome.ending, outcome.exit_code) == (Ending.EXITED, 137)


async def test_a_program_that_takes_too_long_ends(sandbox: Sandbox) -> None:
    outcome = await python(sandbox, "print('begun')\nwhile True: pass", timeout=0.5)
    assert (outcome.ending, outcome.timed_out, outcome.exit_code) == (Ending.TIMED_OUT, True, 137)
    assert outcome.duration < 10


async def test_the_working_folder_is_full_at_its_size(sandbox: Sandbox) -> None:
    script = "for n in 1 2 3 4; do head -c 3M /dev/zero > f$n || exit 7; done"
    outcome = await bash(sandbox, script, scratch_mb=8)
    assert outcome.exit_code == 7
    assert "No space left on device" in outcome.stderr


async def test_shared_memory_is_full_at_its_size(sandbox: Sandbox) -> None:
    outcome = await bash(sandbox, "head -c 20M /dev/zero > /dev/shm/f")
    assert "No space left on device" in outcome.stderr


async def test_a_long_output_is_cut_in_the_middle_and_counted(sandbox: Sandbox) -> None:
    tracemalloc.start()
    try:
        outcome = await bash(sandbox, "echo first; head -c 100M /dev/zero; echo last", output_bytes=1_000_000)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert outcome.exit_code == 0
    assert outcome.stdout.startswith("first\n")
    assert outcome.stdout.endswith("last\n")
    assert outcome.stdout_dropped == 100 * 2**20 + len("first\nlast\n") - 1_000_000
    assert peak < 10_000_000


async def test_a_program_that_never_stops_writing_is_ended(sandbox: Sandbox) -> None:
    outcome = await bash(sandbox, "exec cat /dev/zero", output_bytes=10_000)
    assert outcome.ending is Ending.FLOODED
    assert len(outcome.stdout) < 11_000
