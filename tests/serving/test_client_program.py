"""The client as a program: the files it writes, the lines it prints, how mistakes end."""

import io
import pathlib
import subprocess
import sys
from collections.abc import Iterator

import grpc
import numpy as np
import pytest
from PIL import Image

from tests.serving import stub as stubs
from tests.serving.stub import Stub

ROOT = pathlib.Path(__file__).parents[2]
TWO_BY_TWO = ["--caption=a", "--caption=b", "--seed=1", "--seed=2"]


def run_client(*options: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "serving.client", *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def stub() -> Stub:
    return Stub()


@pytest.fixture
def target(stub: Stub) -> Iterator[str]:
    with stubs.serve(stub) as address:
        yield f"--target={address}"


def test_one_picture_is_one_file(stub: Stub, target: str, tmp_path: pathlib.Path) -> None:
    stub.fail(grpc.StatusCode.UNAVAILABLE)
    output = tmp_path / "seven.png"
    asked = ["--model=stub", "--caption=a seven", "--seed=5", f"--output={output}"]
    ended = run_client(target, *asked, "--metadata=authorization=Bearer a=b")
    assert ended.stdout == f"{output}: seed 5, 0 unknown words\n", ended.stderr
    assert output.read_bytes() == stubs.png(stubs.picture(5))
    assert list(tmp_path.iterdir()) == [output]
    assert [sent["authorization"] for sent in stub.metadata] == ["Bearer a=b"] * 2


def test_several_are_a_sheet_with_a_row_for_each_caption(
    target: str, tmp_path: pathlib.Path
) -> None:
    output = tmp_path / "sheet.png"
    ended = run_client(target, "--model=stub", *TWO_BY_TWO, f"--output={output}")
    assert ended.stdout.splitlines() == [
        f"{output}, row 1, column 1: seed 1, 0 unknown words",
        f"{output}, row 1, column 2: seed 2, 1 unknown words",
        f"{output}, row 2, column 1: seed 1, 2 unknown words",
        f"{output}, row 2, column 2: seed 2, 3 unknown words",
    ], ended.stderr
    with Image.open(io.BytesIO(output.read_bytes())) as file:
        sheet = np.asarray(file)
    row = np.concatenate([stubs.picture(1), stubs.picture(2)], axis=1)
    np.testing.assert_array_equal(sheet, np.concatenate([row, row]))


def test_or_a_file_each(target: str, tmp_path: pathlib.Path) -> None:
    folder = tmp_path / "new" / "pictures"
    ended = run_client(target, "--model=stub", *TWO_BY_TWO, f"--output_dir={folder}")
    names = ["0000_seed_1.png", "0001_seed_2.png", "0002_seed_1.png", "0003_seed_2.png"]
    assert sorted(path.name for path in folder.iterdir()) == names, ended.stderr
    assert (folder / names[3]).read_bytes() == stubs.png(stubs.picture(2))
    assert ended.stdout.splitlines()[2] == f"{folder / names[2]}: seed 1, 2 unknown words"


OUTPUT = "--output={tmp}/a.png"
BAD = {
    "target": (["--target=localhost", OUTPUT], "--target: must be host:port, or several"),
    "no_output": ([], "--output: must be given, or else --output_dir, got none"),
    "both": ([OUTPUT, "--output_dir={tmp}"], "--output: must be given, or else --output_dir"),
    "no_folder": (["--output={tmp}/none/a.png"], "--output: must be a file in a folder"),
    "truncation": ([OUTPUT, "--truncation=0.5"], "--seed: must be given with --truncation"),
    "seed": ([OUTPUT, "--seed=9223372036854775808"], "--seed="),
    "attempts": ([OUTPUT, "--attempts=0"], "--attempts="),
    "metadata": ([OUTPUT, "--metadata=secret"], "--metadata: must be key=value, got one without"),
    "metadata_key": ([OUTPUT, "--metadata=A=b"], "--metadata: must have keys of a-z"),
    "tls_ca": ([OUTPUT, "--tls_ca={tmp}/none"], "--tls_ca: must be a file that can be read"),
    "tls_ca_content": ([OUTPUT, "--tls_ca={tmp}/file"], "--tls_ca: must hold a CERTIFICATE in PEM"),
    "tls_ca_empty": ([OUTPUT, "--tls_ca=/dev/null"], "--tls_ca: must hold a CERTIFICATE in PEM"),
    "tls_key": ([OUTPUT, "--tls_key={tmp}/file"], "--tls_certificate: certificate and key must"),
}


@pytest.mark.parametrize(("options", "line"), BAD.values(), ids=BAD)
def test_a_mistake_is_one_line_and_writes_nothing(
    options: list[str], line: str, stub: Stub, target: str, tmp_path: pathlib.Path
) -> None:
    (tmp_path / "file").write_text("mine")
    filled = [option.format(tmp=tmp_path) for option in options]
    ended = run_client(target, "--model=stub", "--caption=a", *filled)
    assert ended.returncode == 2, ended.stderr
    (told,) = ended.stderr.splitlines()
    assert told.startswith("error: ")
    assert line in told
    assert stub.requests == []
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_folder_that_cannot_be_made_is_a_mistake(target: str, tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").write_text("mine")
    for folder in ("file", "file/pictures"):
        ended = run_client(
            target, "--model=stub", "--caption=a", f"--output_dir={tmp_path}/{folder}"
        )
        assert ended.returncode == 2
        (told,) = ended.stderr.splitlines()
        assert told.startswith("error: --output_dir: must have room and be writable, got ")
    assert (tmp_path / "file").read_text() == "mine"
