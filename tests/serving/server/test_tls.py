"""TLS: verification of servers and clients."""

import asyncio
import contextlib
import json
import pathlib
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator

import grpc
import pytest
import trustme

from serving.client import AsyncClient, Client, Retry, Tls
from serving.server import config_files
from serving.server.protocol.model_server import ServerOptions
from tests import programs
from tests.serving import servers

ONCE = Retry(attempts=1)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def trusted(authority: trustme.CA) -> Tls:
    """TLS of a client that the server accepts."""
    return tls_of(authority, authority.issue_cert("client.example"))


@pytest.fixture(scope="module")
def stranger(trusted: Tls) -> Tls:
    """TLS of a client whose certificate has another issuer."""
    other = trustme.CA()
    own = tls_of(other, other.issue_cert("client.example"))
    return Tls(ca=trusted.ca, certificate=own.certificate, key=own.key)


def tls_of(authority: trustme.CA, own: trustme.LeafCert) -> Tls:
    chain = b"".join(part.bytes() for part in own.cert_chain_pems)
    return Tls(ca=authority.cert_pem.bytes(), certificate=chain, key=own.private_key_pem.bytes())


def write_config(authority: trustme.CA, path: pathlib.Path, *, verify: bool) -> None:
    own = tls_of(authority, authority.issue_cert("localhost"))
    written = {"server_key": own.key, "server_cert": own.certificate, "custom_ca": own.ca}
    quoted = [f"{name}: {json.dumps(content.decode())}\n" for name, content in written.items()]
    path.write_text("".join(quoted) + f"client_verify: {str(verify).lower()}")


@contextlib.contextmanager
def serve(
    authority: trustme.CA, model: pathlib.Path, path: pathlib.Path, *, verify: bool
) -> Iterator[str]:
    """Writes an SSLConfig file, and serves with it."""
    write_config(authority, path, verify=verify)
    options = ServerOptions(
        host="127.0.0.1", port=0, credentials=config_files.credentials(str(path))
    )
    with servers.serve({"m": model}, options=options) as served:
        yield f"localhost:{served.server.port}"


@pytest.fixture(scope="module")
def address(
    authority: trustme.CA, painted_dir: pathlib.Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """A server that requires client certificates."""
    path = tmp_path_factory.mktemp("ssl") / "ssl.config"
    with serve(authority, painted_dir, path, verify=True) as address:
        yield address


def drawn(address: str, tls: Tls | None) -> bytes:
    with Client(address, model="m", tls=tls, retry=ONCE) as client:
        return client.generate(["a"], seeds=[1])[0]


def refused(address: str, tls: Tls | None) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        drawn(address, tls)
    assert caught.value.code() == grpc.StatusCode.UNAVAILABLE


def test_either_client_is_answered(address: str, trusted: Tls) -> None:
    async def generate() -> list[bytes]:
        async with AsyncClient(address, model="m", tls=trusted) as client:
            return await client.generate(["a"], seeds=[1])

    assert asyncio.run(generate()) == [drawn(address, trusted)]


def test_other_clients_are_refused(address: str, trusted: Tls, stranger: Tls) -> None:
    refused(address, None)
    refused(address, Tls(ca=trusted.ca))
    refused(address, stranger)


def test_clients_are_verified_only_if_enabled(
    authority: trustme.CA,
    painted_dir: pathlib.Path,
    trusted: Tls,
    stranger: Tls,
    tmp_path: pathlib.Path,
) -> None:
    with serve(authority, painted_dir, tmp_path / "ssl.config", verify=False) as address:
        assert drawn(address, Tls(ca=trusted.ca)) == drawn(address, stranger)
        refused(address, None)


def test_client_rejects_another_server(address: str, trusted: Tls) -> None:
    other = trustme.CA().cert_pem.bytes()
    refused(address, Tls(ca=other, certificate=trusted.certificate, key=trusted.key))
    refused(address, Tls(certificate=trusted.certificate, key=trusted.key))
    refused(address.replace("localhost", "127.0.0.1"), trusted)  # Not in the certificate.


def test_the_program_reads_the_files(address: str, trusted: Tls, tmp_path: pathlib.Path) -> None:
    flags = []
    for name in ("ca", "certificate", "key"):
        path = tmp_path / f"{name}.pem"
        path.write_bytes(getattr(trusted, name))
        flags.append(f"--tls_{name}={path}")
    output = tmp_path / "a.png"
    arguments = [f"--target={address}", "--model=m", "--caption=a", "--seed=1", "--attempts=1"]
    arguments += [f"--output={output}"]
    ended = programs.run("serving.client", *arguments, *flags)
    assert ended.stdout == f"{output}: seed 1, 1 unknown words\n", ended.stderr
    output.unlink()
    message = "error: --target: must serve the model m, got UNAVAILABLE"
    for fewer in (flags[:1], []):
        ended = programs.run("serving.client", *arguments, *fewer)
        assert (ended.returncode, output.exists()) == (2, False)
        # gRPC beside TensorFlow logs lines before the error.
        assert ended.stderr.splitlines()[-1].startswith(message)
    command = [sys.executable, "-m", "serving.client", *arguments, "--tls"]
    alone = subprocess.run(command, cwd=programs.ROOT, capture_output=True, text=True, check=False)
    (line,) = alone.stderr.splitlines()
    assert (alone.returncode, line.startswith(message), output.exists()) == (2, True, False)


def test_the_server_s_program_reads_its_file(
    authority: trustme.CA, painted_dir: pathlib.Path, trusted: Tls, tmp_path: pathlib.Path
) -> None:
    path = tmp_path / "ssl.config"
    write_config(authority, path, verify=True)
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port = probe.getsockname()[1]
    options = [f"--port={port}", "--model_name=m", f"--model_base_path={painted_dir}"]
    with programs.start("serving.server", *options, f"--ssl_config_file={path}") as server:
        assert any(line.startswith("Running gRPC") for line in server.stdout)
        assert drawn(f"localhost:{port}", trusted)
        refused(f"localhost:{port}", None)
        server.send_signal(signal.SIGTERM)
        assert server.wait(30) == 0
