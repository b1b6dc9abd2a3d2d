"""The client as a program: the files it writes, the lines it prints, errors of the user."""

import functools
import io
import pathlib

import grpc
import numpy as np
import pytest
from PIL import Image
from tensorflow_serving.apis import predict_pb2

from tests import programs
from tests.serving import stub as stubs
from tests.serving.stub import Stub

TWO_BY_TWO = ["--model=stub", "--caption=a", "--caption=b", "--seed=1", "--seed=2"]
run_client = functools.partial(programs.run, "serving.client")


@pytest.fixture
def target(address: str) -> str:
    return f"--target={address}"


def test_one_picture_is_one_file(stub: Stub, target: str, tmp_path: pathlib.Path) -> None:
    stub.fail(grpc.StatusCode.UNAVAILABLE)
    output = tmp_path / "seven.png"
    arguments = ["--model=stub", "--caption=a seven", "--seed=5", f"--output={output}"]
    ended = run_client(target, *arguments, "--metadata=authorization=Bearer a=b")
    assert ended.stdout == f"{output}: seed 5, 0 unknown words\n", ended.stderr
    assert output.read_bytes() == stubs.png(stubs.picture(5))
    assert list(tmp_path.iterdir()) == [output]
    assert [sent["authorization"] for sent in stub.metadata] == ["Bearer a=b"] * 2


def test_several_are_a_grid_with_a_row_for_each_caption(
    stub: Stub, target: str, tmp_path: pathlib.Path
) -> None:
    output = tmp_path / "sheet.png"
    ended = run_client(target, *TWO_BY_TWO, f"--output={output}")
    assert ended.stdout.splitlines() == [
        f"{output}, row 1, column 1: seed 1, 0 unknown words",
        f"{output}, row 1, column 2: seed 2, 1 unknown words",
        f"{output}, row 2, column 1: seed 1, 2 unknown words",
        f"{output}, row 2, column 2: seed 2, 3 unknown words",
    ], ended.stderr
    (request,) = stub.requests
    captions = predict_pb2.PredictRequest.FromString(request).inputs["caption"].string_val
    assert captions == [b"a", b"a", b"b", b"b"]
    with Image.open(io.BytesIO(output.read_bytes())) as file:
        sheet = np.asarray(file)
    row = np.concatenate([stubs.picture(1), stubs.picture(2)], axis=1)
    np.testing.assert_array_equal(sheet, np.concatenate([row, row]))


def test_or_a_file_each(target: str, tmp_path: pathlib.Path) -> None:
    folder = tmp_path / "new" / "pictures"
    ended = run_client(target, *TWO_BY_TWO, f"--output_dir={folder}")
    names = ["0000_seed_1.png", "0001_seed_2.png", "0002_seed_1.png", "0003_seed_2.png"]
    assert sorted(path.name for path in folder.iterdir()) == names, ended.stderr
    assert (folder / names[3]).read_bytes() == stubs.png(stubs.picture(2))
    assert ended.stdout.splitlines()[2] == f"{folder / names[2]}: seed 1, 2 unknown words"


OUTPUT = "--output={tmp}/a.png"
BAD = [
    ("--target: must be host:port, or several", "--target=localhost", OUTPUT),
    ("--output: must be given, or else --output_dir, got none",),
    ("--output: must be given, or else --output_dir", OUTPUT, "--output_dir={tmp}"),
    ("--output: must be a file in a folder", "--output={tmp}/none/a.png"),
    ("--output_dir: must have room and be writable, got ", "--output_dir={tmp}/file"),
    ("--output_dir: must have room and be writable, got ", "--output_dir={tmp}/file/pictures"),
    ("--seed: must be given with --truncation", OUTPUT, "--truncation=0.5"),
    ("--seed: must be ", OUTPUT, "--seed=9223372036854775808"),
    ("--attempts: must be a positive integer", OUTPUT, "--attempts=0"),
    ("--metadata: must be key=value, got one without", OUTPUT, "--metadata=secret"),
    ("--metadata: must have keys of a-z", OUTPUT, "--metadata=A=b"),
    ("--tls_ca: must be a file that can be read", OUTPUT, "--tls_ca={tmp}/none"),
    ("--tls_ca: must hold a CERTIFICATE in PEM", OUTPUT, "--tls_ca=/dev/null"),
    ("--tls_certificate: certificate and key must", OUTPUT, "--tls_key={tmp}/file"),
]


@pytest.mark.parametrize("case", BAD, ids=lambda case: case[-1])
def test_user_error_is_one_line_and_writes_no_files(
    case: tuple[str, ...], stub: Stub, target: str, tmp_path: pathlib.Path
) -> None:
    (tmp_path / "file").write_text("mine")
    line, *options = (part.format(tmp=tmp_path) for part in case)
    ended = run_client(target, "--model=stub", "--caption=a", *options)
    assert ended.returncode == 2, ended.stderr
    (message,) = ended.stderr.splitlines()
    assert message.startswith(f"error: {line}")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text() == "mine"
    # A bad folder is an error only when the pictures are written.
    assert len(stub.requests) == ("must have room" in line)
