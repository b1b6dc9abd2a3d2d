"""Exports of unconditional and joint systems give the same results as their samplers."""

import pathlib

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from tests import kinds
from tfgan2.adversarial.sampler import AnySampler, JointSampler, UnconditionalSampler
from tfgan2.export import saved_model, signatures, warmup

SEEDS = [0, 1, 2, 2**31 - 1]
UNCONDITIONAL = {
    "serving_default": ({"seed"}, {"image_bytes", "seed"}),
    "generate": ({"seed", "truncation"}, {"image_bytes"}),
    "pixels": ({"seed", "truncation"}, {"image"}),
}
JOINT = {
    "serving_default": ({"caption"}, {"image_bytes", "seed", "text", "unknown_words"}),
    "generate": ({"caption", "seed", "truncation"}, {"image_bytes", "text", "unknown_words"}),
    "pixels": ({"caption", "seed", "truncation"}, {"image", "text"}),
}


@pytest.fixture(scope="module")
def unconditional() -> UnconditionalSampler:
    return kinds.unconditional()


@pytest.fixture(scope="module")
def joint(tmp_path_factory: pytest.TempPathFactory) -> JointSampler:
    return kinds.joint(tmp_path_factory.mktemp("joint"))


def exported(sampler: AnySampler, folder: pathlib.Path) -> pathlib.Path:
    return saved_model.export(sampler, folder / "export", captions=["3", "7"], card={})


def test_unconditional_export_has_only_seeds_and_truncations_as_inputs(
    unconditional: UnconditionalSampler, tmp_path: pathlib.Path
) -> None:
    version = exported(unconditional, tmp_path)
    loaded = tf.saved_model.load(str(version)).signatures
    assert_signatures(loaded, UNCONDITIONAL)
    seed = tf.constant(SEEDS, tf.int64)
    live = unconditional.sample([""] * 4, SEEDS, 0.0).images.astype(int)
    pixels = loaded["pixels"](seed=seed, truncation=tf.zeros([4]))["image"].numpy()
    assert np.abs(live - pixels).max() <= 1
    answer = loaded["serving_default"](seed=seed)
    np.testing.assert_array_equal(answer["seed"], SEEDS)
    decoded = tf.stack([tf.io.decode_png(png) for png in answer["image_bytes"]]).numpy()
    assert np.abs(live - decoded).max() <= 1
    assert_warmed(version, UNCONDITIONAL)


def test_joint_export_gives_images_and_texts(joint: JointSampler, tmp_path: pathlib.Path) -> None:
    version = exported(joint, tmp_path)
    loaded = tf.saved_model.load(str(version)).signatures
    assert_signatures(loaded, JOINT)
    captions = ["", "7", "the digit 3", "???", "seven", "9 5"]
    seeds = [5, 5, 5, 6, 5, 5]
    live = joint.sample(captions, seeds, 0.0)
    answer = loaded["generate"](
        caption=tf.constant(captions),
        seed=tf.constant(seeds, tf.int64),
        truncation=tf.zeros([len(seeds)]),
    )
    texts = [text.decode() for text in answer["text"].numpy()]
    assert texts == live.texts
    assert texts[1] == "7"
    assert texts[2] == "3"
    assert texts[5] == "9"  # The text has one place: the first known word.
    assert texts[4] == texts[0]  # Without a known word no text is given.
    np.testing.assert_array_equal(answer["unknown_words"], [0, 0, 2, 0, 1, 0])
    decoded = tf.stack([tf.io.decode_png(png) for png in answer["image_bytes"]]).numpy()
    assert np.abs(live.images.astype(int) - decoded).max() <= 1
    fresh = loaded["serving_default"](caption=tf.constant([""] * 8))
    assert len(set(fresh["seed"].numpy())) == 8
    again = loaded["generate"](
        caption=tf.constant([""] * 8), seed=fresh["seed"], truncation=tf.zeros([8])
    )
    np.testing.assert_array_equal(fresh["image_bytes"], again["image_bytes"])
    np.testing.assert_array_equal(fresh["text"], again["text"])
    assert_warmed(version, JOINT)


def test_image_depends_on_the_given_text_and_on_the_seed(joint: JointSampler) -> None:
    images = joint.sample(["", "7", "3", "7"], [1, 1, 1, 2], 0.0).images
    for other in range(1, 4):
        assert not np.array_equal(images[0], images[other])
    assert not np.array_equal(images[1], images[2])
    assert not np.array_equal(images[1], images[3])


def test_image_and_text_do_not_depend_on_their_batch(
    joint: JointSampler, unconditional: UnconditionalSampler
) -> None:
    for sampler in (joint, unconditional):
        alone = sampler.sample(["7"], [5], 0.7)
        batch = sampler.sample(["", "a " * 9_000, "3", "7"], [1, 2, 3, 5], 0.7)
        assert np.abs(alone.images[0].astype(int) - batch.images[3]).max() <= 1
        assert (alone.texts or [None])[0] == (batch.texts or [None] * 4)[3]


def test_export_with_different_texts_is_refused(
    joint: JointSampler, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = signatures.JointSignatures.pixels

    def wrong(*inputs: object) -> dict[str, tf.Tensor]:
        outputs = right(*inputs)
        return {**outputs, "text": tf.strings.join([outputs["text"], "!"])}

    monkeypatch.setattr(signatures.JointSignatures, "pixels", wrong)
    with pytest.raises(RuntimeError, match="texts of the export must equal the live model's"):
        exported(joint, tmp_path)


def assert_signatures(loaded: object, expected: dict[str, tuple[set[str], set[str]]]) -> None:
    assert set(loaded) == set(expected)
    for name, (inputs, outputs) in expected.items():
        arguments = loaded[name].structured_input_signature[1]
        assert set(arguments) == inputs
        assert all(spec.shape.as_list() == [None] for spec in arguments.values())
        assert set(loaded[name].structured_outputs) == outputs


def assert_warmed(version: pathlib.Path, expected: dict[str, object]) -> None:
    warmed = []
    for record in tf.data.TFRecordDataset(str(version / warmup.FILE)):
        log = prediction_log_pb2.PredictionLog.FromString(record.numpy())
        request = log.predict_log.request
        warmed.append(request.model_spec.signature_name)
        assert set(request.inputs) == expected[warmed[-1]][0]
    assert warmed == list(expected)
