"""Replies of HTTP/1.1, whole and in pieces."""

from __future__ import annotations

import pytest

from vera_orchestrator.http.reply import Reply, ReplyBroken

OK = b"HTTP/1.1 200 OK\r\n"
WITH_LENGTH = OK + b"Content-Length: 5\r\nX-Request-Id: one\r\n\r\nhello"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;a=b\r\nlo\r\n0\r\n\r\n"
TRAILED = OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n"
AFTER_EARLY = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + WITH_LENGTH


def read(*parts: bytes) -> Reply:
    reply = Reply()
    for part in parts:
        reply.feed(part)
    return reply


@pytest.mark.parametrize(
    "text", [WITH_LENGTH, CHUNKED, TRAILED, AFTER_EARLY], ids=["length", "chunks", "trailer", "103"]
)
@pytest.mark.parametrize("size", [1, 7, 1_000])
def test_a_reply_is_the_same_however_it_is_cut(text: bytes, size: int) -> None:
    reply = Reply()
    for start in range(0, len(text), size):
        assert not reply.is_whole
        reply.feed(text[start : start + size])

    assert (reply.status, bytes(reply.body), reply.is_whole, reply.may_go_on) == (200, b"hello", True, True)


def test_headers_are_found_in_lower_case_and_those_of_one_name_joined() -> None:
    reply = read(OK + b"Content-Length: 0\r\nVary: a\r\nvary:  b \r\n\r\n")

    assert reply.headers["vary"] == "a, b"


def test_a_header_may_be_empty() -> None:
    reply = read(OK + b"X-Empty:\r\nContent-Length: 0\r\n\r\n")

    assert reply.headers == {"x-empty": "", "content-length": "0"}


def test_what_comes_behind_a_reply_is_not_part_of_it() -> None:
    reply = read(WITH_LENGTH + OK + b"X-Other: 1\r\nContent-Length: 3\r\n\r\nbad")

    assert (bytes(reply.body), reply.may_go_on, "x-other" in reply.headers) == (b"hello", False, False)


def test_a_body_of_what_is_passed_over_is_not_part_of_it() -> None:
    assert read(b"HTTP/1.1 199 Odd\r\nContent-Length: 3\r\n\r\nxyz" + WITH_LENGTH).body == b"hello"


def test_the_size_of_a_chunk_may_be_filled_up() -> None:
    assert read(OK + b"Transfer-Encoding: chunked\r\n\r\n2  \r\nok\r\n0\r\n\r\n").body == b"ok"


def test_a_large_body_is_no_head() -> None:
    body = b"x" * 70_000

    assert read(OK + b"Content-Length: 70000\r\n\r\n" + body).body == body


def test_a_reply_without_a_length_is_whole_when_the_connection_ends() -> None:
    reply = read(OK + b"\r\nhel", b"lo")
    assert not reply.is_whole
    reply.end()

    assert (bytes(reply.body), reply.is_whole, reply.may_go_on) == (b"hello", True, False)


@pytest.mark.parametrize(
    ("text", "may_go_on"),
    [
        (OK + b"Connection: close\r\nContent-Length: 0\r\n\r\n", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", False),
        (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n", True),
        (OK + b"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", False),
        (OK + b"Content-Length: 0\r\n\r\nmore", False),
        (b"HTTP/1.1 204 No Content\r\n\r\n", True),
    ],
    ids=["close", "1.0", "1.0 kept", "two framings", "more than it said", "no content"],
)
def test_a_connection_is_used_again_only_where_that_is_sure(text: bytes, may_go_on: bool) -> None:
    assert read(text).may_go_on is may_go_on


@pytest.mark.parametrize(
    "text",
    [
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        OK + b"no colon\r\n\r\n",
        OK + b"Content-Length : 5\r\n\r\n",
        OK + b"Content-Length: five\r\n\r\n",
        OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n",
        OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n" + b"0" * 70_000,
        OK + b"X: " + b"x" * 70_000,
    ],
)
def test_what_is_no_reply_is_refused(text: bytes) -> None:
    with pytest.raises(ReplyBroken):
        read(text)


def test_a_trailer_without_end_is_refused() -> None:
    with pytest.raises(ReplyBroken):
        read(OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: ", b"x" * 70_000)


@pytest.mark.parametrize("text", [b"", OK, WITH_LENGTH[:-1], CHUNKED[:-1]])
def test_a_connection_that_ends_too_early_breaks_the_reply(text: bytes) -> None:
    reply = read(text)

    with pytest.raises(ReplyBroken):
        reply.end()


def test_a_second_reply_on_one_request_is_refused() -> None:
    with pytest.raises(ReplyBroken):
        read(WITH_LENGTH, WITH_LENGTH)
