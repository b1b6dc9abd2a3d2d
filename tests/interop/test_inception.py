"""torchvision's Inception-v3 as a SavedModel: features of torchvision, and a FID with them."""

import os
import pathlib

import numpy as np
import pytest

from tests.interop.torch_writer import in_zip, plain, tensor
from tfgan2.evaluation.extractors import load_features
from tfgan2.interop import inception
from tfgan2.metrics import distances, moments
from tfgan2.program import UsageError


@pytest.mark.torch
def test_features_and_their_fid_are_those_of_torchvision(tmp_path: pathlib.Path) -> None:
    folder = pathlib.Path(os.environ["TFGAN2_TORCH_FILES"]) / "inception"
    path = tmp_path / "features" / "torchvision"
    inception.write_extractor(folder / "zip" / "inception_v3.pth", path)
    assert [it.name for it in path.parent.iterdir()] == ["torchvision"]
    source = load_features(str(path), None)
    with np.load(folder / "answers.npz") as answers:
        images = answers["image"].transpose(0, 2, 3, 1).astype(np.uint8)
        outputs = source.extractor(images)
        # Averages that leave the padding out, as Keras's, change the features by 6 %.
        scale = np.abs(answers["features"]).max()
        np.testing.assert_allclose(outputs.features, answers["features"], atol=1e-5 * scale)
        np.testing.assert_allclose(outputs.probabilities, answers["probabilities"], atol=1e-4)
        own, published = (moments.moments(it) for it in (outputs.features, answers["features"]))
        assert distances.frechet_distance(own, published) < 1e-6
    with pytest.raises(UsageError, match="--output_dir: must be absent or empty"):
        inception.write_extractor(folder / "zip" / "inception_v3.pth", path)


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (plain([1]), "must hold a state dict"),
        (b"}" + plain("fc.weight") + tensor() + b"s", "must have Conv2d_1a_3x3.conv.weight of 4"),
    ],
)
def test_other_file_is_refused_and_nothing_is_written(
    content: bytes, rule: str, tmp_path: pathlib.Path
) -> None:
    path = tmp_path / "other.pth"
    path.write_bytes(in_zip(content))
    with pytest.raises(UsageError, match=f"Inception-v3: {rule}"):
        inception.write_extractor(path, tmp_path / "features")
    assert [it.name for it in tmp_path.iterdir()] == ["other.pth"]
