"""Encrypted connections: who is trusted, and by whom."""

import asyncio
import pathlib
from collections.abc import Iterator

import grpc
import pytest
import trustme

from serving.client import AsyncClient, Client, Retry, Tls
from tests.serving import stub as stubs
from tests.serving.stub import Stub
from tests.serving.test_client_program import run_client

ONCE = Retry(attempts=1)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def trusted(authority: trustme.CA) -> Tls:
    """What a client has that trusts the server and is trusted by it."""
    return tls_of(authority, authority.issue_cert("client.example"))


@pytest.fixture(scope="module")
def address(authority: trustme.CA) -> Iterator[str]:
    """A server that asks for certificates."""
    own = authority.issue_cert("localhost")
    chain = b"".join(part.bytes() for part in own.cert_chain_pems)
    credentials = grpc.ssl_server_credentials(
        [(own.private_key_pem.bytes(), chain)],
        root_certificates=authority.cert_pem.bytes(),
        require_client_auth=True,
    )
    with stubs.serve(Stub(), credentials) as address:
        yield address


def tls_of(authority: trustme.CA, own: trustme.LeafCert) -> Tls:
    chain = b"".join(part.bytes() for part in own.cert_chain_pems)
    return Tls(ca=authority.cert_pem.bytes(), certificate=chain, key=own.private_key_pem.bytes())


def test_either_client_is_answered(address: str, trusted: Tls) -> None:
    with Client(address, model="stub", tls=trusted) as client:
        expected = client.generate(["a"], seeds=[1])

    async def generate() -> list[bytes]:
        async with AsyncClient(address, model="stub", tls=trusted) as client:
            return await client.generate(["a"], seeds=[1])

    assert asyncio.run(generate()) == expected == [stubs.png(stubs.picture(1))]


def refused(address: str, tls: Tls | None) -> None:
    with Client(address, model="stub", tls=tls, retry=ONCE) as client:
        with pytest.raises(grpc.RpcError) as caught:
            client.draw(["a"])
        assert caught.value.code() == grpc.StatusCode.UNAVAILABLE


def test_nobody_else_is(address: str, authority: trustme.CA, trusted: Tls) -> None:
    refused(address, None)
    refused(address, Tls(ca=trusted.ca))
    stranger = trustme.CA()
    refused(address, tls_of(authority, stranger.issue_cert("client.example")))


def test_another_server_is_not_believed(address: str, trusted: Tls) -> None:
    stranger = trustme.CA()
    refused(
        address,
        Tls(ca=stranger.cert_pem.bytes(), certificate=trusted.certificate, key=trusted.key),
    )
    refused(address, Tls(certificate=trusted.certificate, key=trusted.key))
    refused(address.replace("localhost", "127.0.0.1"), trusted)  # Not in the certificate.


def test_the_program_reads_the_files(address: str, trusted: Tls, tmp_path: pathlib.Path) -> None:
    flags = []
    for name in ("ca", "certificate", "key"):
        path = tmp_path / f"{name}.pem"
        path.write_bytes(getattr(trusted, name))
        flags.append(f"--tls_{name}={path}")
    output = tmp_path / "a.png"
    asked = ["--model=stub", "--caption=a", "--attempts=1", f"--output={output}"]
    drawn = run_client(f"--target={address}", *asked, *flags)
    assert drawn.stdout == f"{output}: seed {stubs.FRESH_SEED}, 0 unknown words\n", drawn.stderr
    output.unlink()
    for fewer in (flags[:1], ["--tls"], []):
        ended = run_client(f"--target={address}", *asked, *fewer)
        assert ended.returncode == 2
        (line,) = ended.stderr.splitlines()
        assert line.startswith("error: --target: must serve the model stub, got UNAVAILABLE")
        assert not output.exists()
