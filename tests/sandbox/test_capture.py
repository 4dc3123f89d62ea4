from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from vera_orchestrator.sandbox.capture import HeadTail


@given(chunks=st.lists(st.text("abc", max_size=30)), limit=st.integers(1, 40))
def test_what_is_kept_and_what_is_dropped_add_up(chunks: list[str], limit: int) -> None:
    stream, whole = HeadTail(limit), "".join(chunks)
    for chunk in chunks:
        stream.feed(chunk.encode())
    assert stream.dropped == max(0, len(whole) - limit)
    if not stream.dropped:
        assert stream.text() == whole
        return
    head, _, tail = stream.text().partition(f"\n[... {stream.dropped} bytes dropped ...]\n")
    assert len(head) + len(tail) == limit
    assert whole.startswith(head)
    assert whole.endswith(tail)


@given(chunk=st.integers(1, 500), times=st.integers(0, 200), limit=st.integers(1, 100))
def test_memory_stays_below_twice_the_limit(chunk: int, times: int, limit: int) -> None:
    stream = HeadTail(limit)
    for _ in range(times):
        stream.feed(b"x" * chunk)
        assert stream.held <= 2 * limit


def test_a_character_split_between_chunks_survives() -> None:
    stream = HeadTail(100)
    for byte in "é€".encode():
        stream.feed(bytes([byte]))
    assert stream.text() == "é€"
