"""Exports: complete or absent, checked, and runnable with TensorFlow alone."""

import io
import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tensorflow_serving.apis import prediction_log_pb2

from tfgan2.export import saved_model, signatures
from tfgan2.program import UsageError
from tfgan2.runs.directory import RunDirectory
from tfgan2.runs.sampling import load_sampler

SIGNATURES = {
    "serving_default": ({"caption"}, {"image_bytes", "seed", "unknown_words"}),
    "generate": ({"caption", "seed", "truncation"}, {"image_bytes", "unknown_words"}),
    "pixels": ({"caption", "seed", "truncation"}, {"image"}),
    "embed": ({"caption"}, {"sentence"}),
    "draw": ({"sentence", "seed", "truncation"}, {"image_bytes"}),
}
# Only ops of core TensorFlow, so that any server and saved_model_cli can run the export.
CORE_OPS_ONLY = """
import sys, tensorflow as tf
signatures = tf.saved_model.load(sys.argv[1]).signatures
print(int(signatures["serving_default"](tf.constant(["the digit 3"]))["seed"][0]))
"""
# The interpreter of this program has no module of tfgan2.
WITHOUT_TFGAN2 = """
import sys
sys.modules.update(dict.fromkeys(["tfgan2", "serving", "tools", "tests", "tf_keras"]))
import tensorflow as tf, tensorflow_text
signatures = tf.saved_model.load("1").signatures
caption = tf.constant(["the digit 3", ""])
given = {"seed": tf.constant([1, 2], tf.int64), "truncation": tf.constant([0.5, 0.0])}
image = signatures["pixels"](caption=caption, **given)["image"]
generated = signatures["generate"](caption=caption, **given)
drawn = signatures["draw"](sentence=signatures["embed"](caption=caption)["sentence"], **given)
fresh = signatures["serving_default"](caption=caption)
for outputs in (generated, drawn):
    decoded = tf.stack([tf.io.decode_png(png) for png in outputs["image_bytes"]])
    tf.debugging.assert_equal(decoded, image)
tf.debugging.assert_equal(tf.shape(fresh["image_bytes"]), tf.shape(caption))
tf.io.write_file("pixels", tf.io.serialize_tensor(image))
"""


def test_signatures_have_the_documented_inputs_and_outputs(export_dir: pathlib.Path) -> None:
    loaded = tf.saved_model.load(str(export_dir / "1")).signatures
    assert set(loaded) == set(SIGNATURES)
    for name, (inputs, outputs) in SIGNATURES.items():
        taken = loaded[name].structured_input_signature[1]
        assert set(taken) == inputs
        assert all(spec.shape[0] is None for spec in taken.values())
        assert set(loaded[name].structured_outputs) == outputs
    answer = loaded["generate"].structured_outputs
    assert answer["image_bytes"].dtype == tf.string
    assert answer["unknown_words"].dtype == tf.int32
    assert loaded["pixels"].structured_outputs["image"].dtype == tf.uint8
    assert loaded["serving_default"].structured_outputs["seed"].dtype == tf.int64


def test_two_processes_draw_different_fresh_seeds(export_dir: pathlib.Path) -> None:
    command = [sys.executable, "-c", CORE_OPS_ONLY, str(export_dir / "1")]
    seeds = [subprocess.run(command, capture_output=True, check=True).stdout for _ in range(2)]
    assert seeds[0] != seeds[1]


def test_interpreter_without_tfgan2_draws_the_same_images_as_the_sampler(
    run: RunDirectory, tmp_path: pathlib.Path
) -> None:
    sampler, _, _ = load_sampler(run)
    here, elsewhere = tmp_path / "here", tmp_path / "elsewhere"
    saved_model.export(sampler, here, captions=["a"], card={})
    here.rename(elsewhere)
    # Isolated mode: imports use neither PYTHONPATH nor the working directory.
    command = [sys.executable, "-I", "-c", WITHOUT_TFGAN2]
    # The Keras version that tfgan2 selects must not reach the interpreter.
    env = {name: value for name, value in os.environ.items() if name != "TF_USE_LEGACY_KERAS"}
    ran = subprocess.run(
        command, cwd=elsewhere, env=env, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    pixels = tf.io.parse_tensor((elsewhere / "pixels").read_bytes(), tf.uint8).numpy()
    live = sampler.pixels(
        tf.constant(["the digit 3", ""]), tf.constant([1, 2], tf.int64), tf.constant([0.5, 0.0])
    )
    assert np.abs(pixels.astype(int) - live.numpy()).max() <= 1


def test_fresh_seed_does_not_depend_on_the_global_seed(run: RunDirectory) -> None:
    sampler, _, _ = load_sampler(run)
    drawn = []
    for _ in range(2):
        tf.random.set_seed(1)
        function = signatures.make_signatures(sampler).functions()["serving_default"]
        drawn.append(int(function(tf.constant(["a"]))["seed"][0]))
    assert drawn[0] != drawn[1]


def test_next_version_follows_the_highest(run: RunDirectory, tmp_path: pathlib.Path) -> None:
    sampler, _, _ = load_sampler(run)
    (tmp_path / "9").mkdir()
    (tmp_path / "notes").mkdir()
    version = saved_model.export(
        sampler, tmp_path, captions=["zebra crossing"], card={"model": "df_gan"}
    )
    assert version == tmp_path / "10"
    assert {path.name for path in tmp_path.iterdir()} == {"9", "10", "notes"}
    card = json.loads((version / "model_card.json").read_text())
    # A caption of unknown words stays if no caption has known words alone.
    unknown = "zebra crossing"
    assert int(sampler.unknown_words(tf.constant([unknown]))[0]) == 2
    assert card == {"model": "df_gan", "example_captions": [unknown]}


def test_card_suggests_captions_of_known_words(run: RunDirectory, tmp_path: pathlib.Path) -> None:
    sampler, _, _ = load_sampler(run)
    captions = ["the digit 3", "zebra crossing", "the digit 7"]
    version = saved_model.export(sampler, tmp_path, captions=captions, card={})
    card = json.loads((version / "model_card.json").read_text())
    assert card["example_captions"] == ["the digit 3", "the digit 7"]


def test_failed_check_leaves_no_version(
    run: RunDirectory, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sampler, _, _ = load_sampler(run)
    right = signatures.CaptionSignatures.pixels
    monkeypatch.setattr(
        signatures.CaptionSignatures,
        "pixels",
        lambda *inputs: {"image": np.uint8(255) - right(*inputs)["image"]},
    )
    with pytest.raises(RuntimeError, match="must equal the live model's"):
        saved_model.export(sampler, tmp_path, captions=["a"], card={})
    assert list(tmp_path.iterdir()) == []


def test_export_folder_that_is_a_file_is_refused(run: RunDirectory, tmp_path: pathlib.Path) -> None:
    file = tmp_path / "file"
    file.write_text("mine")
    sampler, _, _ = load_sampler(run)
    with pytest.raises(UsageError, match="--export_dir: must be a directory"):
        saved_model.export(sampler, file, captions=["a"], card={})
    assert file.read_text() == "mine"


def test_warm_up_requests_fit_the_signatures(export_dir: pathlib.Path) -> None:
    path = export_dir / "1" / "assets.extra" / "tf_serving_warmup_requests"
    loaded = tf.saved_model.load(str(export_dir / "1")).signatures
    warmed = set()
    for record in tf.data.TFRecordDataset(str(path)):
        log = prediction_log_pb2.PredictionLog.FromString(record.numpy())
        request = log.predict_log.request
        inputs = {name: tf.make_ndarray(proto) for name, proto in request.inputs.items()}
        loaded[request.model_spec.signature_name](
            **{name: tf.constant(value) for name, value in inputs.items()}
        )
        warmed.add(request.model_spec.signature_name)
    assert warmed == set(SIGNATURES)


def test_saved_model_cli_runs_it(export_dir: pathlib.Path) -> None:
    cli = pathlib.Path(sys.executable).parent / "saved_model_cli"
    options = ["--dir", str(export_dir / "1"), "--tag_set", "serve"]
    shown = subprocess.run([cli, "show", *options], capture_output=True, text=True, check=True)
    assert all(f'"{name}"' in shown.stdout for name in SIGNATURES)
    inputs = 'caption=["a seven"];seed=[1];truncation=[0.5]'
    run = [cli, "run", *options, "--signature_def", "generate", "--input_exprs", inputs]
    ran = subprocess.run(run, capture_output=True, text=True, check=True)
    assert "PNG" in ran.stdout


@pytest.mark.parametrize("channels", [1, 3])
def test_png_has_the_channels_of_the_pixels_in_their_order(channels: int) -> None:
    images = np.random.default_rng(0).integers(0, 256, [2, 4, 5, channels]).astype(np.uint8)
    for png, image in zip(signatures.encode_png(images).numpy(), images, strict=True):
        with Image.open(io.BytesIO(png)) as picture:
            np.testing.assert_array_equal(np.reshape(picture, image.shape), image)
