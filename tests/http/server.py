"""A real HTTP server on loopback whose answers a test writes."""

from __future__ import annotations

import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Handler(BaseHTTPRequestHandler):
    """Hands each request to the route of its path."""

    protocol_version = "HTTP/1.1"
    running: Server

    def handle_one_request(self) -> None:
        self.raw_requestline = self.rfile.readline(65537)
        if not self.raw_requestline or not self.parse_request():
            self.close_connection = True
            return
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        headers = {name.lower(): value for name, value in self.headers.items()}
        seen = Seen(method=self.command, path=self.path, headers=headers, body=body)
        self.running.seen.append(seen)
        self.running.routes[self.path.partition("?")[0]](self, seen)
        self.wfile.flush()

    def answer(self, status: int = 200, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def answer_json(self, value: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self.answer(status, json.dumps(value).encode(), {"Content-Type": "application/json", **(headers or {})})

    def reset(self) -> None:
        """End the connection with a TCP reset."""
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        pass


Route = Callable[[Handler, Seen], None]


class Quiet(ThreadingHTTPServer):
    """Says nothing when a client or a test breaks a connection off."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass


@dataclass
class Server:
    """A running server: its address, its routes by path, and what arrived."""

    port: int
    scheme: str = "http"
    routes: dict[str, Route] = field(default_factory=dict[str, Route])
    seen: list[Seen] = field(default_factory=list[Seen])
    released: threading.Event = field(default_factory=threading.Event)

    @property
    def endpoint(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.endpoint}"

    def hang(self, handler: Handler, seen: Seen) -> None:
        """Answer only when the test is over."""
        del seen
        self.released.wait()
        handler.answer()


@contextmanager
def serving(context: ssl.SSLContext | None = None, *, port: int = 0) -> Generator[Server]:
    """Run a server while the block lasts."""
    handler = type("BoundHandler", (Handler,), {})
    http = Quiet(("127.0.0.1", port), handler)
    if context is not None:
        http.socket = context.wrap_socket(http.socket, server_side=True)
    server = Server(port=http.server_port, scheme="http" if context is None else "https")
    handler.running = server
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.released.set()
        http.shutdown()
        thread.join()
        http.server_close()


def free_port() -> int:
    """Return a port on which nothing listens."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return unused.getsockname()[1]
