"""Comparison of values that readers of files return."""

import numpy as np


def assert_same(got: object, expected: object) -> None:
    """Asserts equal values of the same types in the same order."""
    assert type(got) is type(expected)
    if isinstance(expected, dict):
        assert list(got) == list(expected)
        for key in expected:
            assert_same(got[key], expected[key])
    elif isinstance(expected, np.ndarray):
        np.testing.assert_array_equal(got, expected, strict=True)
    else:
        assert got == expected
