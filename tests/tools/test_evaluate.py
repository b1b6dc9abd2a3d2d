"""A run, its export and the served export have the same figures; mistakes are one line."""

import json
import pathlib
import subprocess
import sys
from collections.abc import Iterator, Sequence

import grpc
import numpy as np
import pytest
import tensorflow as tf

from serving.client import Picture
from tests import kinds
from tests.tools.test_programs import ROOT, command, free_port
from tfgan2.export import saved_model
from tfgan2.metrics.protocol import Protocol
from tfgan2.program import UsageError
from tfgan2.runs.directory import RunDirectory
from tfgan2.runs.sampling import load_sampler
from tfgan2.training import comparing, evaluation, judging
from tools import samplers

CARD = {"truncation": 1.0, "crop_margin": 1.0, "text_source": "caption", "text_encoder": None}
METRICS = "--metrics=agreement,diversity,kid,fid,inception_score,precision,coverage"


@pytest.fixture(scope="module")
def exported(run: RunDirectory, tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """The tiny run, exported with what the card of an export says."""
    sampler, config, checkpoint = load_sampler(run)
    path = tmp_path_factory.mktemp("exported") / "tiny"
    card = {**CARD, "image_size": 32, "checkpoint": pathlib.Path(checkpoint).name}
    saved_model.export(sampler, path, captions=config.data["example_captions"], card=card)
    return path


@pytest.fixture
def target(exported: pathlib.Path) -> Iterator[str]:
    """Serves it."""
    options = ["--model_name=tiny", f"--model_base_path={exported}", f"--port={free_port()}"]
    program = [sys.executable, "-m", "serving.server", *options]
    with subprocess.Popen(program, cwd=ROOT, stdout=subprocess.PIPE, text=True) as server:
        try:
            ready = next(line for line in server.stdout if line.startswith("Running gRPC"))
            yield f"localhost:{ready.split(':')[1].split()[0]}"
        finally:
            server.terminate()


def last_line(path: pathlib.Path) -> dict:
    return json.loads(path.read_text().splitlines()[-1])


def test_a_run_its_export_and_what_is_served_have_the_same_figures(
    run: RunDirectory,
    exported: pathlib.Path,
    target: str,
    data_dir: pathlib.Path,
    tmp_path: pathlib.Path,
) -> None:
    files = {name: tmp_path / f"{name}.jsonl" for name in ("run", "export", "served")}
    sources = {
        "run": [f"--run_dir={run.path}"],
        "export": [f"--export_dir={exported}"],
        "served": [f"--target={target}", "--model=tiny"],
    }
    shown = {}
    for name, source in sources.items():
        options = [*source, f"--data_dir={data_dir}", f"--output={files[name]}"]
        ended = command(
            "tools.evaluate", *options, METRICS, "--samples=70", "--truncation=1", "--nearest=3"
        )
        assert ended.returncode == 0, ended.stderr
        shown[name] = ended.stdout.splitlines()[1:]
    assert shown["run"] == shown["export"] == shown["served"]
    lines = {name: last_line(path) for name, path in files.items()}
    for name in ("export", "served"):
        for metric, result in lines["run"]["metrics"].items():
            assert lines[name]["metrics"][metric] == pytest.approx(result, rel=1e-3), metric
    checkpoints = [line["protocol"]["checkpoint"] for line in lines.values()]
    assert checkpoints == ["ckpt-2", "tiny/1 (ckpt-2)", f"tiny at {target}"]

    compared = comparing.side_by_side([str(path) for path in files.values()])
    assert compared.splitlines()[0].split() == ["run.jsonl", "export.jsonl", "served.jsonl"]
    (row,) = (row for row in compared.splitlines() if row.split()[0] == "fid")
    assert len(set(row.split()[1:])) == 1


def test_an_export_draws_what_the_live_model_does(tmp_path: pathlib.Path) -> None:
    seeds, card = np.arange(5), {**CARD, "image_size": 16, "checkpoint": "ckpt-1"}
    live = kinds.joint(tmp_path)
    saved_model.export(live, tmp_path / "joint", captions=["7"], card=card)
    joint = samplers.ExportSampler(str(tmp_path / "joint"))
    assert (joint.reads, joint.image_size, joint.truncation) == ("texts", 16, 1.0)
    assert joint.name == "joint/1 (ckpt-1)"
    captions = ["", "", "", "7", "3"]
    drawn, expected = joint.sample(captions, seeds, 0.5), live.sample(captions, seeds, 0.5)
    assert drawn.texts == expected.texts
    np.testing.assert_allclose(drawn.images.astype(int), expected.images, atol=1)


class Refusal(grpc.RpcError):
    """A server's no."""

    def __init__(self, code: grpc.StatusCode) -> None:
        super().__init__()
        self._code = code

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str:
        return "told"


class Served:
    """A client of a server, whose model is one of ours."""

    def __init__(self, model: str, folder: pathlib.Path) -> None:
        kinds_of_models = {"alone": kinds.unconditional, "joint": lambda: kinds.joint(folder)}
        if model in kinds_of_models:
            self.sampler = kinds_of_models[model]()
        self._model = model

    def draw(
        self, captions: Sequence[str] | None, *, seeds: Sequence[int], truncation: float = 0.0
    ) -> list[Picture]:
        if self._model == "other":
            raise Refusal(grpc.StatusCode.NOT_FOUND)
        if captions is not None and self._model == "alone":
            raise Refusal(grpc.StatusCode.INVALID_ARGUMENT)
        drawn = self.sampler.sample(captions or [""] * len(seeds), seeds, truncation)
        pngs = [tf.io.encode_png(image).numpy() for image in drawn.images]
        texts = drawn.texts or [None] * len(pngs)
        rows = zip(pngs, seeds, texts, strict=True)
        return [Picture(png, seed, 0, text) for png, seed, text in rows]


def test_what_is_served_says_what_it_reads(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(samplers, "Client", lambda target, *, model: Served(model, tmp_path))
    seeds = np.arange(3)
    alone = samplers.ServedSampler("localhost:1", model="alone")
    assert (alone.reads, alone.image_size, alone.truncation) == (None, 28, None)
    drawn = alone.sample([""] * 3, seeds, 0.5)
    expected = kinds.unconditional().sample([""] * 3, seeds, 0.5).images
    assert drawn.texts is None
    np.testing.assert_array_equal(drawn.images, expected)
    joint = samplers.ServedSampler("localhost:1", model="joint")
    assert (joint.reads, joint.image_size) == ("texts", 16)
    assert joint.sample(["7", "3", "7"], seeds, 0.0).texts == ["7", "3", "7"]
    with pytest.raises(UsageError, match="--target: must serve the model other, got NOT_FOUND"):
        samplers.ServedSampler("localhost:1", model="other")


def test_what_is_no_export_is_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(UsageError, match="--export_dir: must hold a version"):
        samplers.ExportSampler(str(tmp_path))
    (tmp_path / "1").mkdir()
    with pytest.raises(UsageError, match="must be a version as tools"):
        samplers.ExportSampler(str(tmp_path))


def test_statistics_are_shared(
    run: RunDirectory, data_dir: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    sampler, config, checkpoint = load_sampler(run)
    subject = evaluation.subject_of_run(sampler, checkpoint=checkpoint, recipe=config.recipe)
    shared = str(tmp_path / "real.npz")

    def fid(measures: evaluation.Measures) -> dict:
        protocol = Protocol(samples=20, seed=0, truncation=0.0)
        options = {"data_dir": data_dir, "metrics": ["fid"], "protocol": protocol}
        return evaluation.measure(subject, measures, **options)

    written = fid(evaluation.Measures(save_statistics=shared))
    read = fid(evaluation.Measures(statistics=shared))
    assert read["metrics"] == written["metrics"]
    assert read["protocol"]["statistics"]["file"] == "real.npz"
    assert comparing.differences(written["protocol"], read["protocol"])


@pytest.mark.parametrize(
    ("name", "weights", "line"),
    [
        ("vgg", None, "--features: must be domain, inception_v3 or the folder of a SavedModel"),
        ("domain", "some.h5", "--features_weights: must be left out but for --features=inception"),
    ],
)
def test_what_gives_no_features_is_refused(name: str, weights: str | None, line: str) -> None:
    with pytest.raises(UsageError, match=line):
        judging.load_features(name, weights)


MISTAKES = {
    "two_sources": (
        ["--run_dir={run}", "--target=localhost:1", "--model=a", "--data_dir={data}"],
        "got --run_dir and --target",
    ),
    "no_output": (["--export_dir={tmp}", "--data_dir={data}"], "--output: must be given"),
    "checkpoint_of_an_export": (
        ["--export_dir={tmp}", "--data_dir={data}", "--output={tmp}/a", "--checkpoint=best"],
        "--checkpoint: must be left out without --run_dir, got best",
    ),
    "margin_of_a_run": (
        ["--run_dir={run}", "--data_dir={data}", "--crop_margin=1.2"],
        "--crop_margin: must be left out without --target: a run and an export say it themselves, "
        "got 1.2",
    ),
}


@pytest.mark.parametrize(("options", "line"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_line_and_exit_code_2(
    options: list[str],
    line: str,
    tmp_path: pathlib.Path,
    data_dir: pathlib.Path,
    run: RunDirectory,
) -> None:
    places = {"tmp": tmp_path, "data": data_dir, "run": run.path}
    ended = command("tools.evaluate", *(option.format(**places) for option in options))
    assert ended.returncode == 2, ended.stderr
    assert len(ended.stderr.splitlines()) == 1, ended.stderr
    assert line in ended.stderr
