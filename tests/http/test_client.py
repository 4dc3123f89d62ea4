"""The guarded client: what it connects to, and what it keeps to itself."""

from __future__ import annotations

import datetime
import ssl
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import httpcore
import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.http.server import Handler, Seen, Server, serving
from vera_orchestrator.errors import InvalidValue, NotAllowed
from vera_orchestrator.http.client import GuardedBackend, guarded_client
from vera_orchestrator.settings import OrchestratorConfig

PUBLIC = "93.184.216.34"


class Names:
    """A resolver whose answers are given, one list per question."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, int]] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append((host, port))
        return self.answers.pop(0)


class Recorder(httpcore.AsyncNetworkBackend):
    """Notes where it should connect and connects nowhere."""

    def __init__(self) -> None:
        self.addresses: list[str] = []

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        self.addresses.append(host)
        raise httpcore.ConnectError("refused")


def settings(*allow: str) -> OrchestratorConfig:
    return OrchestratorConfig(http_allow=list(allow))


def hello(handler: Handler, seen: Seen) -> None:
    handler.answer(body=b"hello", headers={"Set-Cookie": "visitor=1"})


async def test_loopback_is_refused_and_no_connection_is_made(server: Server) -> None:
    server.routes["/"] = hello
    async with guarded_client(settings()) as client:
        with pytest.raises(NotAllowed, match=f"Add {server.endpoint} to http_allow"):
            await client.get(server.url)
    assert server.seen == []


@pytest.mark.parametrize("host", ["localhost", "127.1", "0x7f000001", "2130706433", "[::1]", "[::ffff:127.0.0.1]", "0"])
async def test_no_spelling_of_loopback_passes(server: Server, host: str) -> None:
    server.routes["/"] = hello
    async with guarded_client(settings()) as client:
        with pytest.raises(NotAllowed):
            await client.get(f"http://{host}:{server.port}/")
    assert server.seen == []


async def test_an_allowed_endpoint_is_called(server: Server) -> None:
    server.routes["/"] = hello
    async with guarded_client(settings(server.endpoint)) as client:
        answer = await client.get(server.url)
    assert answer.text == "hello"


async def test_a_name_is_resolved_once_and_that_very_address_is_used() -> None:
    names, wire = Names([PUBLIC], ["127.0.0.1"]), Recorder()
    with pytest.raises(httpcore.ConnectError):
        await GuardedBackend(frozenset(), names, wire).connect_tcp("rebinding.test", 80)
    assert wire.addresses == [PUBLIC]
    assert names.asked == [("rebinding.test", 80)]


async def test_a_name_that_leads_elsewhere_at_the_next_connection_is_checked_again() -> None:
    names, wire = Names([PUBLIC], ["127.0.0.1"]), Recorder()
    backend = GuardedBackend(frozenset(), names, wire)
    with pytest.raises(httpcore.ConnectError):
        await backend.connect_tcp("rebinding.test", 80)
    with pytest.raises(NotAllowed, match=r"rebinding\.test:80 leads to 127\.0\.0\.1"):
        await backend.connect_tcp("rebinding.test", 80)
    assert wire.addresses == [PUBLIC]


async def test_one_forbidden_address_among_public_ones_is_enough_to_refuse() -> None:
    wire = Recorder()
    with pytest.raises(NotAllowed):
        await GuardedBackend(frozenset(), Names([PUBLIC, "10.0.0.1"]), wire).connect_tcp("mixed.test", 80)
    assert wire.addresses == []


async def test_all_addresses_of_a_name_are_tried() -> None:
    wire = Recorder()
    with pytest.raises(httpcore.ConnectError):
        await GuardedBackend(frozenset(), Names(["2606:4700::1", PUBLIC]), wire).connect_tcp("two.test", 80, 5)
    assert wire.addresses == ["2606:4700::1", PUBLIC]


async def test_a_unix_socket_is_refused() -> None:
    with pytest.raises(NotAllowed, match=r"/var/run/docker\.sock"):
        await GuardedBackend(frozenset()).connect_unix_socket("/var/run/docker.sock")


@pytest.mark.parametrize("error", [OSError("no such name"), UnicodeError("label too long")])
async def test_a_name_that_cannot_be_resolved_is_a_connect_error(error: Exception) -> None:
    async def failing(host: str, port: int) -> Sequence[str]:
        raise error

    async with guarded_client(settings(), resolver=failing) as client:
        with pytest.raises(httpx.ConnectError, match=r"nowhere\.test cannot be resolved"):
            await client.get("http://nowhere.test/")


async def test_a_redirect_to_a_forbidden_address_is_refused(server: Server) -> None:
    with serving() as inner:
        inner.routes["/admin"] = hello
        server.routes["/"] = lambda handler, _: handler.answer(302, headers={"Location": f"{inner.url}/admin"})
        async with guarded_client(settings(server.endpoint)) as client:
            with pytest.raises(NotAllowed, match=inner.endpoint):
                await client.get(server.url)
        assert inner.seen == []


async def test_proxies_in_the_environment_are_ignored(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.routes["/"] = hello
    with serving() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        async with guarded_client(settings(server.endpoint)) as client:
            assert (await client.get(server.url)).text == "hello"
        assert proxy.seen == []


@pytest.mark.parametrize("option", ["proxy", "mounts", "trust_env", "transport"])
def test_what_would_lead_around_the_rules_cannot_be_passed_in(option: str) -> None:
    options: dict[str, Any] = {option: None}
    with pytest.raises(TypeError, match=option):
        guarded_client(settings(), **options)


async def test_cookies_of_one_request_do_not_reach_the_next(server: Server) -> None:
    server.routes["/"] = hello
    async with guarded_client(settings(server.endpoint)) as client:
        await client.get(server.url)
        await client.get(server.url)
    assert [seen.headers.get("cookie") for seen in server.seen] == [None, None]


def test_a_bad_entry_in_http_allow_is_named() -> None:
    with pytest.raises(InvalidValue, match=r"http_allow: '127\.0\.0\.1' is not host:port"):
        guarded_client(settings("127.0.0.1"))


async def test_tls_verifies_and_announces_the_name_of_the_url(tmp_path: Path) -> None:
    certificate = _certificate(tmp_path, "named.test")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    announced: list[str | None] = []

    def note(_socket: ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> None:
        announced.append(name)

    context.sni_callback = note
    trusting = ssl.create_default_context(cafile=str(certificate))
    with serving(context) as server:
        server.routes["/"] = hello
        allow = settings(f"named.test:{server.port}", f"other.test:{server.port}")
        names = Names(["127.0.0.1"], ["127.0.0.1"])
        async with guarded_client(allow, resolver=names, ssl_context=trusting) as client:
            assert (await client.get(f"https://named.test:{server.port}/")).text == "hello"
            with pytest.raises(httpx.ConnectError, match="certificate"):
                await client.get(f"https://other.test:{server.port}/")
        assert announced == ["named.test", "other.test"]
        assert [seen.headers["host"] for seen in server.seen] == [f"named.test:{server.port}"]


def _certificate(folder: Path, name: str) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = folder / "server.pem"
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return file
