"""Metrics of features equal those of the reference implementations (published/write.py)."""

import json
import pathlib

import numpy as np
import pytest

from tfgan2.metrics import distances, inception_score, moments, neighbours

FOLDER = pathlib.Path(__file__).parent / "published"
ANSWERS = json.loads((FOLDER / "answers.json").read_text())


def features(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Generated and real features."""
    with np.load(FOLDER / "features.npz") as arrays:
        return arrays[f"{name}_drawn"], arrays[f"{name}_real"]


@pytest.mark.parametrize("name", ANSWERS)
def test_fid_equals_torch_fidelity_and_clean_fid_and_60_digits(name: str) -> None:
    one, other = features(name)
    value = distances.frechet_distance(moments.moments(one), moments.moments(other))
    assert value == pytest.approx(ANSWERS[name]["fid_60_digits"], rel=1e-9)
    assert value == pytest.approx(ANSWERS[name]["fid_torch_fidelity"], rel=1e-7)
    assert value == pytest.approx(ANSWERS[name]["fid_clean_fid"], rel=1e-7)


@pytest.mark.parametrize("name", ANSWERS)
def test_kid_of_subsets_equals_torch_fidelity(name: str) -> None:
    one, other = features(name)
    found = distances.kernel_distance_of_subsets(
        one, other, subsets=20, subset_size=ANSWERS[name]["kid_subset_size"], seed=2020
    )
    assert found.value == pytest.approx(ANSWERS[name]["kid_mean"], rel=1e-9)
    assert found.error == pytest.approx(ANSWERS[name]["kid_std"], rel=1e-9)


@pytest.mark.parametrize("name", ANSWERS)
def test_kid_of_whole_sets_equals_torch_fidelity(name: str) -> None:
    one, other = features(name)
    size = min(len(one), len(other))
    found = distances.kernel_distance(one[:size], other[:size])
    assert found.value == pytest.approx(ANSWERS[name]["kid_whole"], rel=1e-9)


@pytest.mark.parametrize("nearest", [3, 5])
@pytest.mark.parametrize("name", ANSWERS)
def test_precision_recall_density_and_coverage_equal_prdc(name: str, nearest: int) -> None:
    drawn, real = features(name)
    found = neighbours.neighbourhoods(real, drawn, nearest=nearest)
    for metric, values in (
        ("precision", found.precise),
        ("recall", found.recalled),
        ("density", found.densities),
        ("coverage", found.covered),
    ):
        expected = ANSWERS[name][f"{metric}_{nearest}"]
        assert values.mean() == pytest.approx(expected, rel=1e-9), metric


@pytest.mark.parametrize("name", ANSWERS)
def test_inception_score_equals_torch_fidelity(name: str) -> None:
    logits = features(name)[0].astype(np.float64)
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    found = inception_score.inception_score(odds / odds.sum(axis=1, keepdims=True))
    assert found["value"] == pytest.approx(ANSWERS[name]["inception_score"], rel=1e-9)
    assert found["deviation"] == pytest.approx(ANSWERS[name]["inception_score_std"], rel=1e-9)
