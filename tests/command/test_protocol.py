"""The head of a response leaves with its body."""

from __future__ import annotations

import asyncio

import pytest

from api.command.protocol import Joining

HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"


class Written(asyncio.Transport):
    """Keeps what is written, in pieces; refuses more once it is closed, as uvloop's transports do."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[bytes] = []
        self.is_closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self.is_closed:
            raise RuntimeError("the handler is closed")
        self.pieces.append(bytes(data))

    def write_eof(self) -> None:
        self.pieces.append(b"<end>")

    def close(self) -> None:
        self.is_closed = True

    def abort(self) -> None:
        self.is_closed = True

    def is_closing(self) -> bool:
        return self.is_closed


@pytest.fixture
def written() -> Written:
    return Written()


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
async def test_a_head_and_the_body_behind_it_are_one_piece(written: Written, kind: type[bytes]) -> None:
    joining = Joining(written)
    joining.write(kind(HEAD))
    joining.write(kind(b"ok"))
    joining.write(kind(b"more"))
    assert written.pieces == [HEAD + b"ok", b"more"]


async def test_a_head_without_a_body_leaves_at_the_end_of_the_turn(written: Written) -> None:
    Joining(written).write(HEAD)
    assert not written.pieces
    await asyncio.sleep(0)
    assert written.pieces == [HEAD]


async def test_a_head_leaves_before_the_connection_ends(written: Written) -> None:
    joining = Joining(written)
    joining.write(HEAD)
    joining.close()
    assert (written.pieces, joining.is_closing()) == ([HEAD], True)


async def test_a_head_leaves_before_the_end_of_what_is_written(written: Written) -> None:
    joining = Joining(written)
    joining.write(HEAD)
    joining.write_eof()
    assert written.pieces == [HEAD, b"<end>"]


async def test_pieces_are_written_behind_the_head(written: Written) -> None:
    joining = Joining(written)
    joining.write(HEAD)
    joining.writelines([b"o", b"k"])
    assert written.pieces == [HEAD + b"ok"]


async def test_the_head_for_a_connection_that_is_lost_is_dropped(written: Written) -> None:
    problems: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: problems.append(context))
    joining = Joining(written)
    joining.write(HEAD)
    joining.abort()
    await asyncio.sleep(0)
    assert (written.pieces, problems) == ([], [])
