"""How blocks are drawn beside one another, and a model is loaded."""

import gc
import pathlib
import threading

import pytest
import tensorflow as tf

from serving.batch.block_generator import Painter
from serving.batch.rows import Block, DrawnBlock
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
    met, draw = threading.Barrier(2, timeout=HANG_SECONDS), Painter.draw

    def met_draw(self: Painter, model: object, block: Block) -> DrawnBlock:
        met.wait()
        return draw(self, model, block)

    monkeypatch.setattr(Painter, "draw", met_draw)
    summary = generate(painted_dir, captions, tmp_path / "out")
    assert (summary.pictures, summary.errors) == (12, 0)


def test_nothing_is_written_after_a_job_that_failed(
    painted_dir: pathlib.Path,
    captions: pathlib.Path,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    failed, draw = threading.Event(), Painter.draw

    def failing_draw(self: Painter, model: object, block: Block) -> DrawnBlock:
        if block.number == 0:
            failed.set()
            raise OSError("no space left")
        assert failed.wait(HANG_SECONDS)
        return draw(self, model, block)

    monkeypatch.setattr(Painter, "draw", failing_draw)
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
    seen, load = [], tf.saved_model.load

    def seen_load(path: str) -> object:
        seen.append(gc.isenabled())
        return load(path)

    monkeypatch.setattr(tf.saved_model, "load", seen_load)
    generate(painted_dir, captions, tmp_path / "out")
    assert (seen, gc.isenabled()) == ([False], True)
