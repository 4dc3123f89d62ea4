"""api_request tasks against real servers on loopback."""

from __future__ import annotations

import asyncio
import gzip
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

import pytest

from tests.http.server import Handler, Route, Seen, Server, free_port, serving
from vera_orchestrator.enums import TaskType, WorkerStatus
from vera_orchestrator.errors import InvalidPayload, NotAllowed, ResultTooLarge, WorkerUnavailable
from vera_orchestrator.models import Task, TaskResult
from vera_orchestrator.settings import OrchestratorConfig
from vera_orchestrator.workers.api_request import ApiRequestWorker

LIMIT = 1000


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as running:
        yield running


@pytest.fixture
def other() -> Iterator[Server]:
    with serving() as running:
        yield running


@pytest.fixture
async def worker(server: Server, other: Server) -> AsyncIterator[ApiRequestWorker]:
    settings = OrchestratorConfig(http_allow=[server.endpoint, other.endpoint], http_max_bytes=LIMIT)
    worker = ApiRequestWorker(settings)
    assert await worker.start()
    yield worker
    await worker.stop()


async def send(worker: ApiRequestWorker, url: str, **payload: Any) -> TaskResult:
    return await worker.execute_task(Task(type=TaskType.API_REQUEST, payload={"url": url, **payload}))


def echo(handler: Handler, seen: Seen) -> None:
    handler.answer_json({"method": seen.method, "body": seen.body.decode()})


def to(location: str, status: int = 302) -> Route:
    return lambda handler, _: handler.answer(status, headers={"Location": location})


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"])
async def test_every_method_reaches_the_server(server: Server, worker: ApiRequestWorker, method: str) -> None:
    server.routes["/"] = echo
    result = await send(worker, server.url, method=method)
    assert (result.success, result.data) == (True, {"method": method, "body": ""})


async def test_head_has_headers_and_no_data(server: Server, worker: ApiRequestWorker) -> None:
    server.routes["/"] = lambda handler, _: handler.answer(headers={"Content-Length": "999999"})
    result = await send(worker, server.url, method="HEAD")
    assert (result.success, result.data) == (True, None)
    assert result.metrics["headers"]["content-length"] == "999999"


async def test_the_request_is_the_one_described(server: Server, worker: ApiRequestWorker) -> None:
    server.routes["/items"] = echo
    await send(
        worker, f"{server.url}/items?a=1", method="POST", params={"b": 2}, headers={"X-One": "1"}, json={"c": [3]}
    )
    seen = server.seen[0]
    assert (seen.path, seen.headers["x-one"], seen.json()) == ("/items?a=1&b=2", "1", {"c": [3]})


async def test_a_result_says_what_was_answered(server: Server, worker: ApiRequestWorker) -> None:
    server.routes["/"] = lambda handler, _: handler.answer_json([1], 201, {"Set-Cookie": "session=abcdef"})
    result = await send(worker, f"{server.url}/?token=hunter2")
    assert (result.data, result.worker_id, result.metrics["status_code"]) == ([1], "http", 201)
    assert result.metrics["headers"]["set-cookie"] == "***"
    assert result.metrics["url"].startswith(f"{server.url}/?token=") and "hunter2" not in result.metrics["url"]
    assert result.execution_time_ms == pytest.approx(result.metrics["elapsed"] * 1000)


async def test_text_stays_text_and_binary_becomes_base64(server: Server, worker: ApiRequestWorker) -> None:
    server.routes["/text"] = lambda handler, _: handler.answer(body=b"hello", headers={"Content-Type": "text/plain"})
    server.routes["/image"] = lambda handler, _: handler.answer(body=b"\xff\x00", headers={"Content-Type": "image/x"})
    text, image = await send(worker, f"{server.url}/text"), await send(worker, f"{server.url}/image")
    assert (text.data, "encoding" in text.metrics) == ("hello", False)
    assert (image.data, image.metrics["encoding"]) == ("/wA=", "base64")


async def test_a_body_up_to_the_limit_is_kept_whole(server: Server, worker: ApiRequestWorker) -> None:
    server.routes["/"] = lambda handler, _: handler.answer(body=b"x" * LIMIT)
    assert (await send(worker, server.url)).data == "x" * LIMIT


async def test_a_body_above_the_limit_is_refused(server: Server, worker: ApiRequestWorker) -> None:
    server.routes["/"] = lambda handler, _: handler.answer(body=b"x" * (LIMIT + 1))
    with pytest.raises(ResultTooLarge, match="VERA_HTTP_MAX_BYTES"):
        await send(worker, server.url)


async def test_an_endless_body_is_cut_off_at_the_limit(server: Server, worker: ApiRequestWorker) -> None:
    def endless(handler: Handler, seen: Seen) -> None:
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        while True:  # ends with the connection
            handler.wfile.write(b"100\r\n" + b"x" * 256 + b"\r\n")

    server.routes["/"] = endless
    with pytest.raises(ResultTooLarge):
        await send(worker, server.url)


async def test_a_compressed_body_is_unpacked(server: Server, worker: ApiRequestWorker) -> None:
    server.routes["/gzip"] = lambda handler, _: handler.answer(
        body=gzip.compress(b"hello"), headers={"Content-Encoding": "gzip"}
    )
    server.routes["/deflate"] = lambda handler, _: handler.answer(
        body=zlib.compress(b"hello"), headers={"Content-Encoding": "deflate"}
    )
    assert (await send(worker, f"{server.url}/gzip")).data == "hello"
    assert (await send(worker, f"{server.url}/deflate")).data == "hello"


async def test_the_limit_holds_for_what_a_small_body_unpacks_to(server: Server, worker: ApiRequestWorker) -> None:
    bomb = gzip.compress(bytes(200_000))
    assert len(bomb) < LIMIT
    server.routes["/"] = lambda handler, _: handler.answer(body=bomb, headers={"Content-Encoding": "gzip"})
    with pytest.raises(ResultTooLarge):
        await send(worker, server.url)


async def test_a_body_that_unpacks_to_much_takes_no_more_memory_than_the_limit(server: Server) -> None:
    bomb = gzip.compress(bytes(20_000_000))
    server.routes["/"] = lambda handler, _: handler.answer(body=bomb, headers={"Content-Encoding": "gzip"})
    worker = ApiRequestWorker(OrchestratorConfig(http_allow=[server.endpoint], http_max_bytes=len(bomb) + 1))
    await worker.start()
    tracemalloc.start()
    try:
        with pytest.raises(ResultTooLarge):
            await send(worker, server.url)
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()
        await worker.stop()


@pytest.mark.parametrize("body", [b"not gzip", gzip.compress(b"hello")[:-9]], ids=["not gzip", "cut off"])
async def test_a_wrongly_compressed_body_is_a_lasting_failure(
    server: Server, worker: ApiRequestWorker, body: bytes
) -> None:
    server.routes["/"] = lambda handler, _: handler.answer(body=body, headers={"Content-Encoding": "gzip"})
    result = await send(worker, server.url)
    assert (result.success, result.retryable) == (False, False)
    assert "DecodingError" in (result.error or "")


async def test_a_redirect_is_followed_to_its_end(server: Server, other: Server, worker: ApiRequestWorker) -> None:
    server.routes["/"] = to("/next")
    server.routes["/next"] = to(f"{other.url}/end")
    other.routes["/end"] = lambda handler, _: handler.answer(body=b"here")
    result = await send(worker, server.url)
    assert (result.data, result.metrics["url"]) == ("here", f"{other.url}/end")


async def test_a_redirect_to_a_forbidden_address_is_refused(server: Server, worker: ApiRequestWorker) -> None:
    with serving() as inner:
        server.routes["/"] = to(f"{inner.url}/latest/meta-data")
        with pytest.raises(NotAllowed, match=f"Add {inner.endpoint} to http_allow"):
            await send(worker, server.url)
        assert inner.seen == []


@pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://127.0.0.1/", "http://127.0.0.1:99999/"])
async def test_a_redirect_to_something_else_than_http_fails(
    server: Server, worker: ApiRequestWorker, location: str
) -> None:
    server.routes["/"] = to(location)
    result = await send(worker, server.url)
    assert (result.success, result.retryable) == (False, False)


async def test_ten_redirects_are_followed_and_not_more(server: Server, worker: ApiRequestWorker) -> None:
    for number in range(12):
        server.routes[f"/{number}"] = to(f"/{number - 1}")
    server.routes["/0"] = lambda handler, _: handler.answer(body=b"done")
    assert (await send(worker, f"{server.url}/10")).data == "done"
    result = await send(worker, f"{server.url}/11")
    assert (result.success, result.retryable) == (False, False)
    assert "more than 10 redirects" in (result.error or "")


async def test_secret_headers_stay_with_the_origin_they_were_given_for(
    server: Server, other: Server, worker: ApiRequestWorker
) -> None:
    secret = {"Authorization": "Bearer x", "Cookie": "a=1", "X-API-Key": "k", "Proxy-Authorization": "p"}
    server.routes["/"] = to("/same")
    server.routes["/same"] = to(f"{other.url}/far")
    other.routes["/far"] = to(f"{server.url}/back")
    server.routes["/back"] = echo
    await send(worker, server.url, headers={**secret, "X-Plain": "kept"})
    here, same, back = server.seen
    (far,) = other.seen
    names = {name.lower() for name in secret}
    assert names <= here.headers.keys()
    assert same.headers["authorization"] == "Bearer x"
    for later in (far, back):
        assert names.isdisjoint(later.headers)
        assert later.headers["x-plain"] == "kept"


async def test_no_cookie_passes_from_one_task_to_the_next(server: Server, worker: ApiRequestWorker) -> None:
    server.routes["/"] = lambda handler, _: handler.answer(headers={"Set-Cookie": "visitor=1; Path=/"})
    await send(worker, server.url)
    await send(worker, server.url)
    assert "cookie" not in server.seen[1].headers


async def test_a_client_error_is_lasting_and_shows_what_the_server_said(
    server: Server, worker: ApiRequestWorker
) -> None:
    server.routes["/"] = lambda handler, _: handler.answer_json({"detail": "no such item"}, 404)
    result = await send(worker, server.url)
    assert result.error == 'HTTP 404 Not Found: {"detail": "no such item"}'
    assert (result.success, result.retryable, result.error_type) == (False, False, "TaskFailed")
    assert result.data == {"detail": "no such item"}


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
async def test_an_error_that_may_pass_is_retryable(server: Server, worker: ApiRequestWorker, status: int) -> None:
    server.routes["/"] = lambda handler, _: handler.answer(status)
    assert (await send(worker, server.url)).retryable is True


@pytest.mark.parametrize(("extra", "retryable"), [({}, False), ({"retry": True}, True)])
async def test_a_post_that_may_have_worked_is_repeated_only_on_request(
    server: Server, worker: ApiRequestWorker, extra: dict[str, Any], retryable: bool
) -> None:
    server.routes["/"] = lambda handler, _: handler.answer(503)
    server.routes["/reset"] = lambda handler, _: handler.reset()
    for path in ("/", "/reset"):
        assert (await send(worker, server.url + path, method="POST", body="x", **extra)).retryable is retryable


async def test_the_wait_that_a_server_asks_for_is_in_the_metrics(server: Server, worker: ApiRequestWorker) -> None:
    server.routes["/"] = lambda handler, _: handler.answer(429, headers={"Retry-After": "7"})
    result = await send(worker, server.url)
    assert (result.retryable, result.metrics["retry_after"]) == (True, 7.0)


async def test_a_refused_connection_is_retryable_even_for_a_post() -> None:
    endpoint = f"127.0.0.1:{free_port()}"
    worker = ApiRequestWorker(OrchestratorConfig(http_allow=[endpoint]))
    await worker.start()
    result = await send(worker, f"http://{endpoint}/", method="POST", body="x")
    await worker.stop()
    assert (result.success, result.retryable) == (False, True)
    assert "ConnectError" in (result.error or "")


async def test_a_post_that_was_redirected_into_nothing_has_been_sent(worker: ApiRequestWorker, server: Server) -> None:
    server.released.set()
    endpoint = f"127.0.0.1:{free_port()}"
    allowing = ApiRequestWorker(OrchestratorConfig(http_allow=[server.endpoint, endpoint]))
    await allowing.start()
    server.routes["/"] = to(f"http://{endpoint}/", 303)
    result = await send(allowing, server.url, method="POST", body="x")
    await allowing.stop()
    assert (result.success, result.retryable) == (False, False)


async def test_a_connection_that_is_reset_within_the_body_is_retryable(
    server: Server, worker: ApiRequestWorker
) -> None:
    def broken(handler: Handler, seen: Seen) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "100")
        handler.end_headers()
        handler.wfile.write(b"half")
        handler.reset()

    server.routes["/"] = broken
    result = await send(worker, server.url)
    assert (result.success, result.retryable, result.error_type) == (False, True, "TaskFailed")


@pytest.mark.parametrize(("method", "retryable"), [("GET", True), ("POST", False)])
async def test_an_answer_that_does_not_come_in_time_is_a_timeout(
    server: Server, worker: ApiRequestWorker, method: str, retryable: bool
) -> None:
    server.routes["/"] = server.hang
    result = await send(worker, server.url, method=method, timeout=0.3)
    assert (result.success, result.error_type, result.retryable) == (False, "TaskTimeout", retryable)
    assert "within 0.3 s" in (result.error or "")


async def test_the_timeout_includes_the_time_to_find_the_address() -> None:
    async def never(host: str, port: int) -> Sequence[str]:
        await asyncio.get_running_loop().create_future()
        return []

    worker = ApiRequestWorker(OrchestratorConfig(), resolver=never)
    await worker.start()
    result = await send(worker, "http://slow.test/", method="POST", timeout=0.05)
    await worker.stop()
    assert (result.error_type, result.retryable) == ("TaskTimeout", True)


async def test_a_cancelled_request_leaves_the_worker_usable(server: Server, worker: ApiRequestWorker) -> None:
    arrived = asyncio.Event()
    loop = asyncio.get_running_loop()

    def hang(handler: Handler, seen: Seen) -> None:
        loop.call_soon_threadsafe(arrived.set)
        server.hang(handler, seen)

    server.routes["/hang"] = hang
    server.routes["/"] = echo
    running = asyncio.create_task(send(worker, f"{server.url}/hang"))
    await arrived.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert (await send(worker, server.url)).success


async def test_connections_are_reused(server: Server, worker: ApiRequestWorker) -> None:
    ports: list[int] = []
    server.routes["/"] = lambda handler, _: (ports.append(handler.client_address[1]), handler.answer())[0]
    for _ in range(3):
        await send(worker, server.url)
    assert len(set(ports)) == 1


async def test_a_payload_that_is_no_request_is_refused(worker: ApiRequestWorker) -> None:
    with pytest.raises(InvalidPayload, match=r"payload\.url"):
        await send(worker, "file:///etc/passwd")


async def test_it_runs_only_between_start_and_stop(server: Server) -> None:
    worker = ApiRequestWorker(OrchestratorConfig(http_allow=[server.endpoint]))
    assert (worker.status, await worker.health_check()) == (WorkerStatus.OFFLINE, False)
    with pytest.raises(WorkerUnavailable):
        await send(worker, server.url)
    assert await worker.start() and await worker.health_check()
    assert worker.status is WorkerStatus.IDLE
    assert await worker.stop() and await worker.stop()
    assert worker.status is WorkerStatus.OFFLINE
    assert worker.to_dict()["capabilities"] == ["api_requests"]
    assert worker.config.max_concurrent_tasks == 32
