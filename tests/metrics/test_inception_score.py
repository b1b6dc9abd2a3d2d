"""Inception Score: its ends, and that a class that never comes is no fault."""

import numpy as np
import pytest

from tfgan2.metrics.inception_score import inception_score


def test_sure_and_of_every_class_is_the_number_of_classes() -> None:
    sure = np.eye(5)[np.arange(200) % 5]
    assert inception_score(sure)["value"] == pytest.approx(5.0)
    assert inception_score(sure)["deviation"] == pytest.approx(0.0, abs=1e-12)


def test_one_class_or_no_idea_is_1() -> None:
    assert inception_score(np.eye(5)[np.zeros(100, int)])["value"] == pytest.approx(1.0)
    assert inception_score(np.full((100, 5), 0.2))["value"] == pytest.approx(1.0)


def test_splits_are_parts_in_a_row() -> None:
    halves = np.eye(2)[np.arange(100) // 50]
    assert inception_score(halves, splits=1)["value"] == pytest.approx(2.0)
    assert inception_score(halves, splits=2)["value"] == pytest.approx(1.0)
