"""Mean and covariance: equal to NumPy's in any row order; reading and writing their files."""

import pathlib

import numpy as np
import pytest

from tfgan2.metrics import moments
from tfgan2.program import UsageError

RULE = r"--statistics: must be an \.npz file with mu and sigma"


def rows(count: int = 10_000) -> np.ndarray:
    return np.random.default_rng(0).normal(1000.0, 1.0, (count, 5)) * np.arange(1, 6)


def test_moments_equal_numpy_in_any_row_order() -> None:
    of_rows = moments.moments(rows())
    np.testing.assert_allclose(of_rows.mean, rows().mean(axis=0), rtol=1e-13)
    np.testing.assert_allclose(of_rows.covariance, np.cov(rows().T), rtol=1e-9, atol=1e-10)
    turned = moments.moments(rows()[::-1])
    np.testing.assert_allclose(turned.covariance, of_rows.covariance, rtol=1e-9, atol=1e-10)


def test_large_mean_loses_no_precision() -> None:
    near = rows() - 1000.0 * np.arange(1, 6)
    expected = moments.moments(near).covariance
    np.testing.assert_allclose(moments.moments(rows()).covariance, expected, rtol=1e-8, atol=1e-8)


def test_written_file_is_read_back(tmp_path: pathlib.Path) -> None:
    of_rows = moments.moments(rows())
    moments.write(tmp_path / "some.npz", of_rows)
    again = moments.read(tmp_path / "some.npz", flag="--statistics")
    np.testing.assert_array_equal(again.mean, of_rows.mean)
    np.testing.assert_array_equal(again.covariance, of_rows.covariance)


def test_published_files_are_read(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "published.npz"
    np.savez_compressed(path, mu=np.ones(3, np.float32), sigma=np.eye(3, dtype=np.float32), n=7)
    assert moments.read(path, flag="--statistics").covariance.dtype == np.float64


@pytest.mark.parametrize(
    "arrays",
    [
        {"mu": np.ones(3)},
        {"mu": np.ones(3), "sigma": np.eye(2)},
        {"mu": np.ones((1, 3)), "sigma": np.eye(3)},
        {"mu": np.ones(3), "sigma": np.full((3, 3), np.nan)},
        {"mu": np.ones(2), "sigma": np.array([[1.0, 0.5], [0.2, 1.0]])},
        {"mu": np.array([None]), "sigma": np.eye(1)},
        {"mu": np.array("name"), "sigma": np.eye(1)},
    ],
)
def test_npz_file_with_invalid_arrays_is_refused(
    arrays: dict[str, np.ndarray], tmp_path: pathlib.Path
) -> None:
    path = tmp_path / "other.npz"
    np.savez(path, **arrays)
    with pytest.raises(UsageError, match=RULE):
        moments.read(path, flag="--statistics")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"not a file of NumPy's", None])
def test_file_that_is_not_numpy_is_refused(content: bytes | None, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "other.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError, match=RULE):
        moments.read(path, flag="--statistics")
