"""Inception Score: its lowest and highest values, and its splits."""

import numpy as np
import pytest

from tfgan2.metrics.inception_score import inception_score


def test_certain_predictions_of_every_class_score_the_number_of_classes() -> None:
    sure = np.eye(5)[np.arange(200) % 5]
    assert inception_score(sure)["value"] == pytest.approx(5.0)
    assert inception_score(sure)["deviation"] == pytest.approx(0.0, abs=1e-12)


def test_one_class_or_uniform_probabilities_score_1() -> None:
    assert inception_score(np.eye(5)[np.zeros(100, int)])["value"] == pytest.approx(1.0)
    assert inception_score(np.full((100, 5), 0.2))["value"] == pytest.approx(1.0)


def test_splits_are_consecutive_rows() -> None:
    halves = np.eye(2)[np.arange(100) // 50]
    assert inception_score(halves, splits=1)["value"] == pytest.approx(2.0)
    assert inception_score(halves, splits=2)["value"] == pytest.approx(1.0)
