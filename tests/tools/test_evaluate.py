"""Public commands in sequence: a run, its export and a server have equal metrics."""

import dataclasses
import json
import pathlib
import shutil
import signal
import socket
from collections.abc import Iterator, Sequence
from typing import Any

import grpc
import numpy as np
import pytest
import tensorflow as tf

from serving.client import Picture
from tests import kinds, programs
from tfgan2.adversarial.sampler import Samples
from tfgan2.data import pipeline, records
from tfgan2.evaluation import comparison, extractors, measure
from tfgan2.export import saved_model
from tfgan2.metrics import features, moments
from tfgan2.metrics.protocol import Protocol
from tfgan2.program import Failure, UsageError
from tfgan2.runs import checkpoint
from tfgan2.runs.directory import RunDirectory
from tfgan2.runs.sampling import load_sampler
from tfgan2.training import trainer
from tools import matching_models, samplers

CARD = {"truncation": 1.0, "crop_margin": 1.0, "text_source": "caption", "text_encoder": None}
METRICS = "--metrics=agreement,diversity,kid,fid,inception_score,precision,coverage"


def printed(module: str, *options: str) -> str:
    ended = programs.run(module, *options)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.fixture(scope="module")
def data_with_classifier(
    digits_file: pathlib.Path, tmp_path_factory: pytest.TempPathFactory
) -> pathlib.Path:
    """The prepared digits, with a classifier trained for a few steps."""
    data = tmp_path_factory.mktemp("data_with_classifier") / "data"
    options = ["--source=digits", f"--input_dir={digits_file.parent}", "--test_fraction=0.125"]
    shown = printed("tools.prepare", *options, f"--output_dir={data}")
    assert shown == f"{data}: 140 train, 20 test, 35 words, 0 rejects\n"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(features, "FEWEST_STEPS", 20)
        view = pipeline.View(32)
        extractors.domain_classifier(data, records.load_manifest(data), view=view)
    return data


@pytest.fixture(scope="module")
def exported(run: RunDirectory, tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    path = tmp_path_factory.mktemp("exported") / "tiny"
    shown = printed("tools.export", f"--run_dir={run.path}", f"--export_dir={path}")
    assert shown == f"{path}/1\n"
    return path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def target(exported: pathlib.Path) -> Iterator[str]:
    """The address of a server of the export."""
    options = ["--model_name=tiny", f"--model_base_path={exported}", f"--port={free_port()}"]
    with programs.start("serving.server", *options) as server:
        ready = next(line for line in server.stdout if line.startswith("Running gRPC"))
        yield f"localhost:{ready.split(':')[1].split()[0]}"
        server.send_signal(signal.SIGTERM)
        assert server.wait(30) == 0


def test_run_export_and_server_have_equal_metrics(
    run: RunDirectory,
    exported: pathlib.Path,
    target: str,
    data_with_classifier: pathlib.Path,
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
        options = [
            *source,
            f"--data_dir={data_with_classifier}",
            f"--output={files[name]}",
            METRICS,
        ]
        lines = printed("tools.evaluate", *options, "--samples=70", "--truncation=1", "--nearest=3")
        shown[name] = lines.splitlines()[1:]
    assert shown["run"] == shown["export"] == shown["served"]
    names = {line.split()[0] for line in shown["run"]}
    assert names > set(METRICS.partition("=")[2].split(","))
    lines = {name: json.loads(path.read_text()) for name, path in files.items()}
    for name in ("export", "served"):
        for metric, result in lines["run"]["metrics"].items():
            assert lines[name]["metrics"][metric] == pytest.approx(result, rel=1e-3), metric
    checkpoints = [line["protocol"]["checkpoint"] for line in lines.values()]
    assert checkpoints == ["ckpt-2", "tiny/1 (ckpt-2)", f"tiny at {target}"]

    compared = comparison.side_by_side([str(path) for path in files.values()])
    assert compared.splitlines()[0].split() == ["run.jsonl", "export.jsonl", "served.jsonl"]
    (row,) = (row for row in compared.splitlines() if row.split()[0] == "fid")
    assert len(set(row.split()[1:])) == 1


def test_figures_are_printed_also_if_a_file_cannot_be_written(
    run: RunDirectory, data_with_classifier: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    options = [f"--data_dir={data_with_classifier}", "--metrics=diversity", "--samples=70"]
    output = f"--output={run.config_file}/x"
    ended = programs.run("tools.evaluate", f"--run_dir={run.path}", *options, output)
    assert ended.returncode == 2
    assert "diversity" in ended.stdout
    error = "error: --output: must be where a file can be written, got "
    assert ended.stderr.splitlines()[-1].startswith(error)
    statistics = [f"--save_statistics={run.config_file}/x", f"--output={tmp_path}/line"]
    ended = programs.run("tools.evaluate", f"--run_dir={run.path}", *options, *statistics)
    assert ended.returncode == 2
    assert "diversity" in ended.stdout
    assert json.loads((tmp_path / "line").read_text())["metrics"].keys() >= {"diversity"}
    error = "error: --save_statistics: must be where a file can be written, got "
    assert ended.stderr.splitlines()[-1].startswith(error)


def test_light_metrics_are_the_default(
    run: RunDirectory, data_with_classifier: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    options = [
        f"--run_dir={run.path}",
        f"--data_dir={data_with_classifier}",
        f"--output={tmp_path}/line",
    ]
    first, *lines = printed("tools.evaluate", *options, "--samples=20").splitlines()
    assert first == "ckpt-2, 20 samples"
    references = ["agreement_shuffled", "agreement_real", "agreement_blurred"]
    names = ["agreement", *references, "diversity", "diversity_blurred", "kid", "kid_blurred"]
    assert [line.split()[0] for line in lines] == names


def changed(data_dir: pathlib.Path, folder: pathlib.Path, **fields: Any) -> pathlib.Path:
    """A copy of a data set whose manifest has other fields."""
    copy = pathlib.Path(shutil.copytree(data_dir, folder / "data"))
    manifest = json.loads((copy / "dataset.json").read_text())
    (copy / "dataset.json").write_text(json.dumps({**manifest, **fields}))
    return copy


def test_data_without_labels_is_measured_by_a_matching_model_that_is_trained_once(
    run: RunDirectory, data_dir: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    data, output = changed(data_dir, tmp_path, label_names=[]), tmp_path / "lines.jsonl"
    options = [f"--run_dir={run.path}", f"--data_dir={data}", f"--output={output}"]
    options += ["--matching_epochs=0.5", "--samples=20"]
    first = programs.run("tools.evaluate", *options)
    assert first.returncode == 0, first.stderr
    assert "Warning" not in first.stderr
    assert first.stdout.startswith("No labels: trains a matching model for 0.5 epochs in ")
    second = printed("tools.evaluate", *options)
    assert first.stdout.endswith(second)
    assert second.startswith("ckpt-2, 20 samples\n")
    for text in ("near chance: the captions have no effect", "real images blurred to 8x8"):
        assert text in second
    one, other = map(json.loads, output.read_text().splitlines())
    assert one == other
    names = {f"r_precision{end}" for end in ("", "_real", "_blurred", "_shuffled")}
    assert one["metrics"].keys() > {"diversity", "kid", "kid_blurred"} | names
    values = [value for found in one["metrics"].values() for value in found.values()]
    assert np.isfinite(values).all()


def test_a_matching_model_whose_training_was_stopped_is_not_used(
    data_dir: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = changed(data_dir, tmp_path, label_names=[])

    def stopped(*_: object, run_dir: pathlib.Path, **options: object) -> trainer.Outcome:
        run_dir.mkdir()
        return trainer.Outcome(step=1, goal=2, checkpoint=None)

    monkeypatch.setattr(matching_models, "train", stopped)
    with pytest.raises(Failure, match="the same command resumes it"):
        matching_models.train_for_evaluation(data, records.load_manifest(data), epochs=1.0)
    (folder,) = data.glob("matching-*")
    assert folder.name.endswith(".unfinished")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"channels": 3}, "--data_dir: must have images of 1 channels, as the model draws, got 3"),
        (
            {"image_size": 16},
            "--data_dir: must have images of at least 32 px, as the model draws, got 16",
        ),
    ],
)
def test_data_of_another_kind_than_the_model_draws_is_refused(
    fields: dict[str, Any],
    message: str,
    run: RunDirectory,
    exported: pathlib.Path,
    data_dir: pathlib.Path,
    tmp_path: pathlib.Path,
) -> None:
    data = changed(data_dir, tmp_path, **fields)
    for source in (f"--run_dir={run.path}", f"--export_dir={exported}"):
        options = [source, f"--data_dir={data}", f"--output={tmp_path}/line"]
        assert programs.error_of("tools.evaluate", *options) == message


def test_client_draws_an_image_with_the_server(target: str, tmp_path: pathlib.Path) -> None:
    picture = tmp_path / "three.png"
    caption = "--caption=the digit three, bitte"
    options = [f"--target={target}", "--model=tiny", caption, "--seed=1", f"--output={picture}"]
    assert printed("serving.client", *options) == f"{picture}: seed 1, 1 unknown words\n"
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_export_sampler_draws_the_images_of_the_model(tmp_path: pathlib.Path) -> None:
    seeds, card = np.arange(5), {**CARD, "image_size": 16, "checkpoint": "ckpt-1"}
    live = kinds.joint(tmp_path)
    saved_model.export(live, tmp_path / "joint", captions=["7"], card=card)
    joint, text_encoder = samplers.exported(str(tmp_path / "joint"))
    assert (joint.reads, joint.view.image_size, joint.truncation) == ("texts", 16, 1.0)
    assert text_encoder == {}
    assert joint.name == "joint/1 (ckpt-1)"
    captions = ["", "", "", "7", "3"]
    drawn, expected = joint.sample(captions, seeds, 0.5), live.sample(captions, seeds, 0.5)
    assert drawn.texts == expected.texts
    np.testing.assert_allclose(drawn.images.astype(int), expected.images, atol=1)


class Refusal(grpc.RpcError):
    """A gRPC error of a server."""

    def __init__(self, code: grpc.StatusCode) -> None:
        super().__init__()
        self._code = code

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str:
        return "details"


class Served:
    """A client that draws with a sampler in this process instead of a server."""

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


def test_served_sampler_finds_the_kind_of_the_model(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(samplers, "Client", lambda target, *, model: Served(model, tmp_path))
    seeds = np.arange(3)
    alone = samplers.served("localhost:1", model="alone")
    assert (alone.reads, alone.view.image_size, alone.truncation) == (None, 28, None)
    drawn = alone.sample([""] * 3, seeds, 0.5)
    expected = kinds.unconditional().sample([""] * 3, seeds, 0.5).images
    assert drawn.texts is None
    np.testing.assert_array_equal(drawn.images, expected)
    joint = samplers.served("localhost:1", model="joint")
    assert (joint.reads, joint.view.image_size) == ("texts", 16)
    assert joint.sample(["7", "3", "7"], seeds, 0.0).texts == ["7", "3", "7"]
    with pytest.raises(UsageError, match="--target: must serve the model other, got NOT_FOUND"):
        samplers.served("localhost:1", model="other")


def test_folder_without_an_export_is_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(UsageError, match="--export_dir: must hold a version"):
        samplers.exported(str(tmp_path))
    (tmp_path / "1").mkdir()
    with pytest.raises(UsageError, match="must be a version as tools"):
        samplers.exported(str(tmp_path))


def test_statistics_are_shared(
    run: RunDirectory, data_with_classifier: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    sampler, config, path = load_sampler(run)
    subject = measure.measured_generator(sampler, checkpoint=path, recipe=config.recipe)
    shared = str(tmp_path / "real.npz")

    def fid(measures: measure.Inputs) -> measure.Measured:
        protocol = Protocol(samples=20, seed=0, truncation=0.0)
        options = {"data_dir": data_with_classifier, "metrics": ["fid"], "protocol": protocol}
        return measure.measure(subject, measures, **options)

    measured = fid(measure.Inputs(with_statistics=True))
    assert measured.statistics is not None
    moments.write(shared, measured.statistics)
    written, read = measured.line, fid(measure.Inputs(statistics=shared)).line
    assert read["metrics"]["fid"] == written["metrics"]["fid"]
    # Statistics have no blurred images.
    assert written["metrics"].keys() - read["metrics"].keys() == {"fid_blurred"}
    assert read["protocol"]["statistics"]["file"] == "real.npz"
    assert comparison.differences(written["protocol"], read["protocol"])


def test_evaluation_uses_the_images_of_the_split(
    run: RunDirectory, data_with_classifier: pathlib.Path
) -> None:
    sampler, config, path = load_sampler(run)
    subject = measure.measured_generator(sampler, checkpoint=path, recipe=config.recipe)
    measured = measure.measure(
        subject,
        measure.Inputs(split="train"),
        data_dir=data_with_classifier,
        metrics=["kid"],
        protocol=Protocol(samples=4, seed=0, truncation=0.0),
    )
    protocol = measured.line["protocol"]
    assert (protocol["split"], protocol["real_images"]) == ("train", 140)


def test_best_checkpoint_is_evaluated_and_exported(
    run: RunDirectory, data_with_classifier: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    copy = RunDirectory(tmp_path / "run")
    shutil.copytree(run.path, copy.path)
    newest, *_ = checkpoint.find(copy.checkpoints)
    for path in copy.checkpoints.glob(f"{pathlib.Path(newest).name}.*"):
        copy.best_checkpoint.mkdir(exist_ok=True)
        shutil.copy(path, copy.best_checkpoint / f"ckpt-1{path.suffix}")
    options = [f"--run_dir={copy.path}", "--checkpoint=best"]
    measured = [f"--data_dir={data_with_classifier}", "--metrics=kid", "--samples=4"]
    printed("tools.evaluate", *options, *measured, f"--output={tmp_path / 'figures'}")
    line = json.loads((tmp_path / "figures").read_text())
    assert line["protocol"]["checkpoint"] == "ckpt-1"
    printed("tools.export", *options, f"--export_dir={tmp_path / 'export'}")
    card = json.loads((tmp_path / "export" / "1" / saved_model.CARD_NAME).read_text())
    assert card["checkpoint"] == "ckpt-1"


@pytest.mark.parametrize("split", ["train", "test"])
def test_copies_of_train_images_are_memorized_on_either_split(
    split: str, run: RunDirectory, data_with_classifier: pathlib.Path
) -> None:
    sampler, config, path = load_sampler(run)
    subject = measure.measured_generator(sampler, checkpoint=path, recipe=config.recipe)
    manifest = records.load_manifest(data_with_classifier)
    train = pipeline.examples(data_with_classifier, manifest, split="train", view=subject.view)

    def copies(captions: Sequence[str], seeds: np.ndarray, truncation: float) -> Samples:
        return Samples(train.image[seeds])

    measured = measure.measure(
        dataclasses.replace(subject, sample=copies),
        measure.Inputs(split=split),
        data_dir=data_with_classifier,
        metrics=["memorization"],
        protocol=Protocol(samples=8, seed=0, truncation=0.0),
    )
    assert measured.line["metrics"]["memorization"]["value"] == 1.0


@pytest.mark.parametrize(
    ("name", "weights", "line"),
    [
        ("vgg", None, "--features: must be domain, inception_v3 or the folder of a SavedModel"),
        ("domain", "some.h5", "--features_weights: must be left out but for --features=inception"),
    ],
)
def test_network_without_features_is_refused(name: str, weights: str | None, line: str) -> None:
    with pytest.raises(UsageError, match=line):
        extractors.load_features(name, weights)


MISTAKES = [
    (
        "--run_dir={run} --target=localhost:1 --model=a --data_dir={data}",
        "got --run_dir and --target",
    ),
    ("--export_dir={tmp} --data_dir={data}", "--output: must be given"),
    (
        "--export_dir={tmp} --data_dir={data} --output={tmp}/a --checkpoint=best",
        "--checkpoint: must be left out without --run_dir, got best",
    ),
    (
        "--run_dir={run} --data_dir={data} --crop_margin=1.2",
        "--crop_margin: must be left out without --target: a run and an export say it themselves, "
        "got 1.2",
    ),
]


@pytest.mark.parametrize(("options", "line"), MISTAKES)
def test_user_error_is_one_line_and_exit_code_2(
    options: str, line: str, tmp_path: pathlib.Path, data_dir: pathlib.Path, run: RunDirectory
) -> None:
    places = {"tmp": tmp_path, "data": data_dir, "run": run.path}
    filled = (option.format(**places) for option in options.split())
    assert line in programs.error_of("tools.evaluate", *filled)
