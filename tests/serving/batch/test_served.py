"""Jobs with a model server; the server reproduces the pictures of the manifest."""

import pathlib
import threading

import grpc
import numpy as np
import pytest

from serving.batch.job_runner import ServerSource
from serving.client import Client
from serving.program import UsageError
from tests.serving import servers
from tests.serving import stub as stubs
from tests.serving.batch import painted
from tests.serving.batch.jobs import generate, lines, pixels, tree, write_captions

CAPTIONS = ["a seven", "", painted.REFUSED, "b", "c", "größe", "d"]


@pytest.fixture
def captions(tmp_path: pathlib.Path) -> pathlib.Path:
    path = tmp_path / "captions.txt"
    path.write_bytes("\n".join(CAPTIONS).encode("utf-8", "surrogateescape"))
    return path


def outputs(folder: pathlib.Path) -> dict[str, bytes]:
    """All files but the one that names the model."""
    return {name: content for name, content in tree(folder).items() if name != "job.json"}


def test_server_and_export_give_the_same_files(
    painted_dir: pathlib.Path, captions: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    generate(painted_dir, captions, tmp_path / "export", images_per_caption=2)
    with servers.serve({"painted": painted_dir}) as served:
        source = ServerSource(served.address, "painted")
        summary = generate(source, captions, tmp_path / "served", images_per_caption=2)
    assert (summary.pictures, summary.errors) == (12, 2)
    for name, content in outputs(tmp_path / "export").items():
        if name == "errors.jsonl":  # TensorFlow's message has another length.
            continue
        assert outputs(tmp_path / "served")[name] == content
    failed = lines(tmp_path / "served" / "errors.jsonl")
    assert [row["id"] for row in failed] == ["000000002-000000", "000000002-000001"]
    rule = "caption: must be one that the model draws, got "
    assert all(row["error"].startswith(rule) for row in failed)


def test_a_caption_and_seed_of_the_manifest_is_the_servers_picture(
    export_dir: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    captions = write_captions(tmp_path / "captions.txt", ["a handwritten seven", "4", "", "é 🐦"])
    generate(export_dir, captions, tmp_path / "out", images_per_caption=2, batch_size=5)
    manifest = lines(tmp_path / "out" / "manifest.jsonl")
    with (
        servers.serve({"tiny": export_dir}) as served,
        Client(served.address, model="tiny") as client,
    ):
        for row in manifest:
            (picture,) = client.draw([row["caption"]], seeds=[row["seed"]])
            mine = pixels((tmp_path / "out" / row["file"]).read_bytes()).astype(int)
            assert np.abs(mine - picture.array().squeeze()).max() <= 1
            assert picture.unknown_words == row["unknown_words"]
    assert len({(tmp_path / "out" / row["file"]).read_bytes() for row in manifest}) > 1


class Counting(stubs.Stub):
    """Answers when two calls wait, and counts the largest number of concurrent calls."""

    def __init__(self) -> None:
        super().__init__()
        self.at_most = self.inside = 0
        self.lock, self.pair = threading.Lock(), threading.Barrier(2)

    def predict(self, content: bytes, context: grpc.ServicerContext) -> bytes:
        with self.lock:
            self.inside += 1
            self.at_most = max(self.at_most, self.inside)
        if self.requests:  # The first call only inspects the model.
            self.pair.wait(60)
        answer = super().predict(content, context)
        with self.lock:
            self.inside -= 1
        return answer


def test_number_of_concurrent_requests_is_the_given_one(tmp_path: pathlib.Path) -> None:
    captions = write_captions(tmp_path / "captions.txt", [str(number) for number in range(12)])
    stub = Counting()
    with stubs.serve(stub) as address:
        source = ServerSource(address, "stub", concurrent_requests=2)
        summary = generate(source, captions, tmp_path / "out", shards=1)
    assert (summary.pictures, stub.at_most, len(stub.requests)) == (12, 2, 5)


class Leaving(stubs.Stub):
    """Becomes unavailable after some calls, unless it stays."""

    calls_left: int | None = None

    def predict(self, content: bytes, context: grpc.ServicerContext) -> bytes:
        if self.calls_left is not None:
            if self.calls_left == 0:
                context.abort(grpc.StatusCode.UNAVAILABLE, "gone")
            self.calls_left -= 1
        return super().predict(content, context)


def test_job_ends_when_its_server_is_lost_and_resumes_later(tmp_path: pathlib.Path) -> None:
    captions = write_captions(tmp_path / "captions.txt", [str(number) for number in range(9)])
    folder, stub = tmp_path / "out", Leaving()
    with stubs.serve(stub) as address:
        source = ServerSource(address, "stub", concurrent_requests=1)
        generate(source, captions, tmp_path / "whole", shards=3)
        stub.calls_left = 3
        with pytest.raises(UsageError, match=r"^--target: must go on serving .* got UNAVAILABLE"):
            generate(source, captions, folder, shards=3)
        assert not (folder / "_SUCCESS").exists()
        stub.calls_left = None
        before = len(stub.requests)
        generate(source, captions, folder, shards=3, resume=True)
        # One call inspects the model, and one for each block but the two that were written before
        # the third was refused.
        assert len(stub.requests) - before == 1 + 3 - 2
    assert tree(folder) == tree(tmp_path / "whole")


def test_unserved_model_is_refused_before_any_file_is_written(
    painted_dir: pathlib.Path,
    seeds_dir: pathlib.Path,
    captions: pathlib.Path,
    tmp_path: pathlib.Path,
) -> None:
    with servers.serve({"painted": painted_dir, "seeds": seeds_dir}) as served:
        with pytest.raises(UsageError, match=r"^--target: must serve the model other, got NOT_F"):
            generate(ServerSource(served.address, "other"), captions, tmp_path / "out")
        with pytest.raises(UsageError, match=r"^--count: must be given for a model .* without"):
            generate(ServerSource(served.address, "seeds"), captions, tmp_path / "out")
        with pytest.raises(UsageError, match=r"^--captions: must be given for a model .* with "):
            generate(ServerSource(served.address, "painted"), None, tmp_path / "out")
    assert not (tmp_path / "out").exists()
