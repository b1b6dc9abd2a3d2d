"""Feature extractors and matchers from files: resizing as in clean-fid, checks and batches."""

import pathlib
from collections.abc import Callable, Mapping

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras
from PIL import Image

from tfgan2.metrics.inception import Inception
from tfgan2.metrics.resizing import resized
from tfgan2.metrics.saved_models import SavedExtractor, SavedMatcher
from tfgan2.program import UsageError

FOLDER = pathlib.Path(__file__).parent / "published"


def images(count: int, *, side: int = 8, channels: int = 3) -> np.ndarray:
    shape = (count, side, side, channels)
    return np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)


def save(folder: pathlib.Path, signatures: Mapping[str, Callable]) -> str:
    path = folder / "judge"
    tf.saved_model.save(tf.Module(), str(path), signatures=dict(signatures))
    return str(path)


def of_images(
    shape: list, function: Callable = lambda pixels: pixels, *, dtype: tf.DType = tf.float32
) -> Callable:
    """An image signature whose features are channel means of the pixels."""

    @tf.function(input_signature=[tf.TensorSpec(shape, dtype, "image")])
    def features(image: tf.Tensor) -> dict[str, tf.Tensor]:
        pixels = tf.cast(image, tf.float32)
        return {"features": tf.reduce_mean(function(pixels), axis=[1, 2])}

    return features


def of_captions(*, dtype: tf.DType = tf.string) -> Callable:
    """A caption signature whose codes are the first three bytes of the caption."""

    @tf.function(input_signature=[tf.TensorSpec([None], dtype, "caption")])
    def codes(caption: tf.Tensor) -> dict[str, tf.Tensor]:
        if dtype != tf.string:
            return {"code": tf.zeros([tf.shape(caption)[0], 3])}
        first = tf.io.decode_raw(caption, tf.uint8, fixed_length=3)
        return {"code": tf.cast(first, tf.float32)}

    return codes


@pytest.mark.parametrize("side", [8, 64])
def test_resizing_equals_clean_fid(side: int) -> None:
    with np.load(FOLDER / "resized.npz") as arrays:
        image, expected = arrays[f"image_{side}"], arrays[f"resized_{side}"]
    ours = resized(tf.cast(image[np.newaxis], tf.float32), expected.shape[:2])
    np.testing.assert_allclose(ours[0], expected, atol=0.01)  # Out of 255.


@pytest.mark.parametrize(("side", "size"), [(32, 299), (256, 299), (512, 299), (7, 5)])
def test_resizing_equals_pillow_bicubic_on_floats(side: int, size: int) -> None:
    image = images(1, side=side, channels=1)
    pillow = Image.fromarray(image[0, ..., 0].astype(np.float32))
    expected = np.asarray(pillow.resize((size, size), Image.Resampling.BICUBIC)).clip(0, 255)
    ours = resized(tf.cast(image, tf.float32), (size, size))
    np.testing.assert_allclose(ours[0, ..., 0], expected, atol=0.01)


def test_images_of_the_network_size_are_not_resized() -> None:
    pixels = tf.cast(images(2), tf.float32)
    np.testing.assert_array_equal(resized(pixels, (8, 8)), pixels)


@pytest.mark.slow
def test_inception_loads_keras_files_with_and_without_the_top(tmp_path: pathlib.Path) -> None:
    keras.utils.set_random_seed(1)
    network = keras.applications.InceptionV3(weights=None)
    network.save_weights(tmp_path / "top.h5")
    bare = keras.applications.InceptionV3(include_top=False, weights=None)
    bare.set_weights(network.get_weights()[: len(bare.get_weights())])
    bare.save_weights(tmp_path / "notop.h5")
    whole = Inception(str(tmp_path / "top.h5"), flag="--features_weights")
    half = Inception(str(tmp_path / "notop.h5"), flag="--features_weights")
    assert (whole.has_probabilities, half.has_probabilities) == (True, False)
    assert whole.checksum != half.checksum
    result = whole(images(3, side=32))
    assert result.features.shape == (3, 2048)
    np.testing.assert_allclose(result.probabilities.sum(axis=1), 1.0, rtol=1e-5)
    np.testing.assert_allclose(half(images(3, side=32)).features, result.features, rtol=1e-4)
    grey = images(2, side=32, channels=1)
    alike = whole(np.repeat(grey, 3, axis=-1)).features
    np.testing.assert_allclose(whole(grey).features, alike, rtol=1e-6)
    (tmp_path / "other.h5").write_bytes(b"no weights")
    with pytest.raises(UsageError, match="--features_weights: must be Inception-v3's in Keras's"):
        Inception(str(tmp_path / "other.h5"), flag="--features_weights")


def test_missing_weights_are_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(UsageError, match="--features_weights: must be a file or imagenet"):
        Inception(str(tmp_path / "none.h5"), flag="--features_weights")


def test_extractor_gets_images_of_its_size_and_channels(tmp_path: pathlib.Path) -> None:
    path = save(tmp_path, {"serving_default": of_images([None, 5, 5, 3])})
    extractor = SavedExtractor(path, flag="--features")
    assert extractor.resize == "antialiased bicubic to 5x5 px"
    assert not extractor.has_probabilities
    grey = images(4, channels=1)
    expected = resized(tf.cast(grey, tf.float32), (5, 5)).numpy().mean(axis=(1, 2))
    features = extractor(grey).features
    assert features.dtype == np.float64
    np.testing.assert_allclose(features, np.repeat(expected, 3, axis=1), rtol=1e-5)


def test_extractor_of_any_size_gets_unresized_images(tmp_path: pathlib.Path) -> None:
    signature = of_images([None, None, None, 3], dtype=tf.uint8)
    extractor = SavedExtractor(save(tmp_path, {"features": signature}), flag="--features")
    assert extractor.resize == "none"
    many = images(120)
    result = extractor(many).features
    np.testing.assert_allclose(result, many.mean(axis=(1, 2)), rtol=1e-5)
    np.testing.assert_array_equal(extractor(many[7:9]).features, result[7:9])


def test_extractor_may_have_probabilities(tmp_path: pathlib.Path) -> None:
    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3], tf.float32, "image")])
    def classify(image: tf.Tensor) -> dict[str, tf.Tensor]:
        features = tf.reduce_mean(image, axis=[1, 2])
        return {"features": features, "probabilities": tf.nn.softmax(features)}

    extractor = SavedExtractor(save(tmp_path, {"features": classify}), flag="--features")
    assert extractor.has_probabilities
    np.testing.assert_allclose(extractor(images(2)).probabilities.sum(axis=1), 1.0, rtol=1e-5)


def test_codes_of_a_matcher_have_length_1(tmp_path: pathlib.Path) -> None:
    signatures = {"encode_images": of_images([None, None, None, 3])}
    signatures["encode_captions"] = of_captions()
    matcher = SavedMatcher(save(tmp_path, signatures), flag="--clip")
    codes = matcher.encode_captions(["abc", "xyz", "abc"] * 40)
    np.testing.assert_allclose(np.linalg.norm(codes, axis=1), 1.0)
    expected = np.frombuffer(b"abc", np.uint8).astype(float)
    np.testing.assert_allclose(codes[2], expected / np.linalg.norm(expected), rtol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(matcher.encode_images(images(3)), axis=1), 1.0)


REFUSED = {
    "names": ({"other": of_images([None, 8, 8, 3])}, "with a signature features or"),
    "inputs": ({"features": of_captions()}, "must take one input of images"),
    "rank": ({"features": of_captions(dtype=tf.float32)}, "must take one input of images"),
}


@pytest.mark.parametrize(("signatures", "rule"), REFUSED.values(), ids=REFUSED)
def test_savedmodel_without_image_features_is_refused(
    signatures: dict[str, Callable], rule: str, tmp_path: pathlib.Path
) -> None:
    with pytest.raises(UsageError, match=f"--features: .*{rule}"):
        SavedExtractor(save(tmp_path, signatures), flag="--features")


def test_savedmodel_without_matching_codes_is_refused(tmp_path: pathlib.Path) -> None:
    path = save(tmp_path, {"encode_images": of_images([None, 8, 8, 3])})
    with pytest.raises(UsageError, match="signatures encode_images and encode_captions, got"):
        SavedMatcher(path, flag="--clip")
    signatures = {"encode_images": of_images([None, 8, 8, 3])}
    signatures["encode_captions"] = of_captions(dtype=tf.int64)
    path = save(tmp_path / "other", signatures)
    with pytest.raises(UsageError, match="--clip: must encode captions of one string input"):
        SavedMatcher(path, flag="--clip")


def test_damaged_savedmodel_is_one_error(tmp_path: pathlib.Path) -> None:
    (tmp_path / "saved_model.pb").write_bytes(b"\x08damaged")
    with pytest.raises(UsageError, match="--clip: must be a SavedModel, got"):
        SavedMatcher(tmp_path, flag="--clip")
    with pytest.raises(UsageError, match=r"--clip: must be a folder with a saved_model\.pb"):
        SavedMatcher(tmp_path / "none", flag="--clip")
