"""Keeps the head and the tail of an output of any length."""

from __future__ import annotations


class HeadTail:
    """The first and the last half of `limit` bytes of a stream; what lies between is counted and dropped.

    Memory stays below twice the limit, however much comes.
    """

    def __init__(self, limit: int) -> None:
        self.seen = 0
        self._head_limit = limit - limit // 2
        self._tail_limit = limit // 2
        self._head = bytearray()
        self._tail = bytearray()

    def feed(self, data: bytes) -> None:
        """Take in the next bytes."""
        self.seen += len(data)
        room = self._head_limit - len(self._head)
        if room > 0:
            self._head += data[:room]
            data = data[room:]
        if len(data) >= self._tail_limit:
            self._tail[:] = data[len(data) - self._tail_limit :]
            return
        self._tail += data
        if len(self._tail) > 2 * self._tail_limit:  # trimmed rarely, so that a byte is moved once on average
            del self._tail[: -self._tail_limit]

    @property
    def dropped(self) -> int:
        """Bytes that are not kept."""
        return max(0, self.seen - self._head_limit - self._tail_limit)

    @property
    def held(self) -> int:
        """Bytes in memory."""
        return len(self._head) + len(self._tail)

    def text(self) -> str:
        """Return what is kept, with a line in place of what is not; bytes that are not UTF-8 become U+FFFD."""
        tail = self._tail[max(0, len(self._tail) - self._tail_limit) :]
        if not self.dropped:
            return (self._head + tail).decode(errors="replace")
        gap = f"\n[... {self.dropped} bytes dropped ...]\n"
        return self._head.decode(errors="replace") + gap + tail.decode(errors="replace")
