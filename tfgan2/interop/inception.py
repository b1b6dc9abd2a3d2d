"""torchvision's Inception-v3 as a SavedModel of features, as the FID of DF-GAN's code uses it.

The network differs from Keras's in its averages, which count the padding, and in its weights.
"""

import os
import pathlib
import re
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras as keras

from tfgan2.interop import torch_files
from tfgan2.interop.new_folder import new_folder
from tfgan2.interop.weight_mapping import (
    Target,
    convolution,
    expect,
    fill,
    linear,
    under,
    weights_of,
)

SIDE_PX = 299
NAME = "Inception-v3"
# Names of the convolutions, in the order in which Keras creates its own.
STEM = "Conv2d_1a_3x3 Conv2d_2a_3x3 Conv2d_2b_3x3 Conv2d_3b_1x1 Conv2d_4a_3x3"
BRANCHES = {
    "5b 5c 5d": "1x1 5x5_1 5x5_2 3x3dbl_1 3x3dbl_2 3x3dbl_3 _pool",
    "6a": "3x3 3x3dbl_1 3x3dbl_2 3x3dbl_3",
    "6b 6c 6d 6e": "1x1 7x7_1 7x7_2 7x7_3 7x7dbl_1 7x7dbl_2 7x7dbl_3 7x7dbl_4 7x7dbl_5 _pool",
    "7a": "3x3_1 3x3_2 7x7x3_1 7x7x3_2 7x7x3_3 7x7x3_4",
    "7b 7c": "1x1 3x3_1 3x3_2a 3x3_2b 3x3dbl_1 3x3dbl_2 3x3dbl_3a 3x3dbl_3b _pool",
}
CONVOLUTIONS = [
    *STEM.split(),
    *(
        f"Mixed_{block}.branch{branch}"
        for blocks, branches in BRANCHES.items()
        for block in blocks.split()
        for branch in branches.split()
    ),
]
# Parts of the file that features do not need.
UNUSED = r"AuxLogits\..*|.*\.num_batches_tracked"
# ImageNet's means and standard deviations, with which torchvision prepares its input.
MEANS, DEVIATIONS = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def write_extractor(weights: pathlib.Path, output_dir: str | os.PathLike) -> None:
    """Writes a SavedModel of features for `tools.evaluate --features`.

    Args:
      weights: state dict of torchvision's inception_v3.
      output_dir: absent or empty.

    Raises:
      UsageError: the file cannot be read or holds something else, or `output_dir` is not empty.
    """
    with new_folder(output_dir, flag="--output_dir") as folder:
        extractor = Extractor(make_network(torch_files.read(weights)))
        tf.saved_model.save(extractor, str(folder), signatures={"features": extractor.features})


def make_network(content: Any) -> keras.Model:
    """Builds the network with the weights of a state dict: images to features and probabilities.

    Raises:
      UsageError: the content is no state dict of torchvision's inception_v3.
    """
    if isinstance(content, dict):
        content = {key: it for key, it in content.items() if not re.fullmatch(UNUSED, str(key))}
    state = weights_of(content, name=NAME)
    expect(state, {"fc.weight": 2, f"{CONVOLUTIONS[0]}.conv.weight": 4}, name=NAME)
    network = keras.models.clone_model(
        keras.applications.InceptionV3(weights=None),
        clone_function=_as_in_torchvision,
    )
    mapping = linear("fc", network.get_layer("predictions"))
    layers = (
        _in_order(network, it) for it in (keras.layers.Conv2D, keras.layers.BatchNormalization)
    )
    for name, conv, normalization in zip(CONVOLUTIONS, *layers, strict=True):
        mapping |= under(name, convolution("conv", conv), _normalization("bn", normalization))
    fill(mapping, state, name=NAME)
    return keras.Model(network.input, [network.get_layer("avg_pool").output, network.output])


class Extractor(tf.Module):
    """Resizes and scales images as DF-GAN's code does, and computes their features."""

    def __init__(self, network: keras.Model) -> None:
        """Wraps the network."""
        super().__init__(name="extractor")
        self.network = network

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3], tf.float32, "image")])
    def features(self, image: tf.Tensor) -> dict[str, tf.Tensor]:
        """Features [B, 2048] and class probabilities of images float32 [B, H, W, 3] in [0, 255]."""
        unit = tf.image.resize(image / 255.0, [SIDE_PX, SIDE_PX])
        # torchvision's conversion of ImageNet-normalized values, which DF-GAN's code applies to
        # values in [0, 1].
        scaled = unit * (np.array(DEVIATIONS, np.float32) / 0.5)
        scaled += (np.array(MEANS, np.float32) - 0.5) / 0.5
        features, probabilities = self.network(scaled, training=False)
        return {"features": features, "probabilities": probabilities}


class PaddedAverage(keras.layers.Layer):
    """Averages of 3x3 values that count the padding as zeros."""

    def call(self, values: tf.Tensor) -> tf.Tensor:
        """Averages values [B, H, W, C]; the result has the same shape."""
        padded = tf.pad(values, [[0, 0], [1, 1], [1, 1], [0, 0]])
        return tf.nn.avg_pool2d(padded, 3, 1, "VALID")


def _as_in_torchvision(layer: keras.layers.Layer) -> keras.layers.Layer:
    config = layer.get_config()
    if isinstance(layer, keras.layers.AveragePooling2D):
        return PaddedAverage(name=layer.name)
    if isinstance(layer, keras.layers.BatchNormalization):
        config["scale"] = True
    return type(layer).from_config(config)


def _in_order(network: keras.Model, kind: type) -> list[keras.layers.Layer]:
    """Layers of a class in the order of their creation, which numbers their names."""
    return sorted((it for it in network.layers if isinstance(it, kind)), key=_number)


def _number(layer: keras.layers.Layer) -> int:
    """Number at the end of a layer's name; the name of the first layer of a class has none."""
    digits = re.search(r"\d*$", layer.name)
    return int(digits[0]) if digits and digits[0] else 0


def _normalization(name: str, layer: keras.layers.BatchNormalization) -> dict[str, Target]:
    variables = {
        "weight": layer.gamma,
        "bias": layer.beta,
        "running_mean": layer.moving_mean,
        "running_var": layer.moving_variance,
    }
    return {
        f"{name}.{key}": Target(variable, tuple(variable.shape), lambda tensor: tensor)
        for key, variable in variables.items()
    }
