"""Concurrent blocks, and loading of a model."""

import gc
import pathlib
import threading

import pytest
import tensorflow as tf

from serving.batch import block_generator
from serving.batch.job import Job
from serving.batch.rows import Block
from tests.serving.batch.jobs import generate, write_captions

HANG_SECONDS = 300


@pytest.fixture
def captions(tmp_path: pathlib.Path) -> pathlib.Path:
    return write_captions(tmp_path / "captions.txt", [str(number) for number in range(12)])


def test_two_blocks_are_drawn_at_the_same_time(
    painted_dir: pathlib.Path,
    captions: pathlib.Path,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    met, generate_block = threading.Barrier(2, timeout=HANG_SECONDS), block_generator.generate

    def meeting_generate(job: Job, model: object, block: Block) -> object:
        met.wait()
        return generate_block(job, model, block)

    monkeypatch.setattr(block_generator, "generate", meeting_generate)
    summary = generate(painted_dir, captions, tmp_path / "out")
    assert (summary.pictures, summary.errors) == (12, 0)


def test_nothing_is_written_after_a_job_that_failed(
    painted_dir: pathlib.Path,
    captions: pathlib.Path,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    failed, generate_block = threading.Event(), block_generator.generate

    def failing_generate(job: Job, model: object, block: Block) -> object:
        if block.number == 0:
            failed.set()
            raise OSError("no space left")
        assert failed.wait(HANG_SECONDS)
        return generate_block(job, model, block)

    monkeypatch.setattr(block_generator, "generate", failing_generate)
    with pytest.raises(OSError, match="no space left"):
        generate(painted_dir, captions, tmp_path / "out")
    written = sorted((tmp_path / "out" / ".work" / "blocks").iterdir())
    assert [path.name for path in written] == ["000000001.lines"]


def test_garbage_is_collected_but_while_a_model_is_loaded(
    painted_dir: pathlib.Path,
    captions: pathlib.Path,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    collected, load = [], tf.saved_model.load

    def logged_load(path: str) -> object:
        collected.append(gc.isenabled())
        return load(path)

    monkeypatch.setattr(tf.saved_model, "load", logged_load)
    generate(painted_dir, captions, tmp_path / "out")
    assert (collected, gc.isenabled()) == ([False], True)
