"""Posts over TLS: to the server whose certificate is trusted, and to no other."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.http.test_poster import WHOLE, Scripted
from vera_orchestrator.http.poster import Poster


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for localhost that signs itself, with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "localhost.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return file


@asynccontextmanager
async def posting(certificate: Path, trusted: ssl.SSLContext, host: str) -> AsyncGenerator[tuple[Scripted, Poster]]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server = Scripted([WHOLE, WHOLE])
    running = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=context)
    port = running.sockets[0].getsockname()[1]
    poster = Poster(httpx2.URL(f"https://{host}:{port}/v1"), {"Authorization": "Bearer k"}, trusted)
    try:
        yield server, poster
    finally:
        await poster.close()
        running.close()


async def test_replies_come_over_one_kept_connection(certificate: Path) -> None:
    trusted = ssl.create_default_context(cafile=str(certificate))
    async with posting(certificate, trusted, "localhost") as (server, poster):
        for _ in range(2):
            reply = await poster.post("/v1/x", b"{}", seconds=5, connect_seconds=5)
            assert (reply.status, bytes(reply.body)) == (200, b"ok")
        assert server.connections == 1
        assert b"Bearer k" in server.seen[0]


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
async def test_a_certificate_that_is_not_trusted_or_of_another_name_gets_no_key(certificate: Path, host: str) -> None:
    cafile = None if host == "localhost" else str(certificate)
    async with posting(certificate, ssl.create_default_context(cafile=cafile), host) as (server, poster):
        with pytest.raises(httpx2.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            await poster.post("/v1/x", b"{}", seconds=5, connect_seconds=5)
        assert server.seen == []
