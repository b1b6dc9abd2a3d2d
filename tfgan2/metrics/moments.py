"""Mean and covariance of features, with a file format to share them."""

import dataclasses
import io
import os
import pathlib
import zipfile

import numpy as np

from tfgan2.program import UsageError, write_file

# Array names of pytorch-fid, clean-fid and DF-GAN's published files.
MEAN_NAME, COVARIANCE_NAME = "mu", "sigma"
ROWS_AT_A_TIME = 4096
ASYMMETRY = 1e-6


@dataclasses.dataclass(frozen=True)
class Moments:
    """Mean float64 [D] and unbiased covariance float64 [D, D] of features."""

    mean: np.ndarray
    covariance: np.ndarray


def moments(features: np.ndarray) -> Moments:
    """Computes mean and covariance, a block of rows at a time.

    Args:
      features: floats [N, D], N at least 2; may be an `np.memmap`.

    Source: Chan, Golub and LeVeque 1983; stable for features with a large mean.
    """
    count, mean = 0, np.zeros(features.shape[1])
    scatter = np.zeros([features.shape[1]] * 2)
    for start in range(0, len(features), ROWS_AT_A_TIME):
        rows = np.asarray(features[start : start + ROWS_AT_A_TIME], np.float64)
        own = rows.mean(axis=0)
        shift, centred = own - mean, rows - own
        total = count + len(rows)
        scatter += centred.T @ centred + np.outer(shift, shift) * (count * len(rows) / total)
        mean += shift * (len(rows) / total)
        count = total
    return Moments(mean, scatter / (count - 1))


def write(path: str | os.PathLike, statistics: Moments) -> None:
    """Writes an .npz file with `mu` and `sigma`."""
    buffer = io.BytesIO()
    np.savez(buffer, mu=statistics.mean, sigma=statistics.covariance)
    write_file(pathlib.Path(path), buffer.getvalue())


def read(path: str | os.PathLike, *, flag: str) -> Moments:
    """Reads an .npz file with `mu` and `sigma`, from this or another program.

    Args:
      path: path of the file.
      flag: flag that names the file, for error messages.

    Raises:
      UsageError: the file holds something else.
    """
    rule = f"must be an .npz file with {MEAN_NAME} and {COVARIANCE_NAME}"
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as arrays:
            mean = np.asarray(arrays[MEAN_NAME], np.float64)
            covariance = np.asarray(arrays[COVARIANCE_NAME], np.float64)
    except (
        OSError,
        EOFError,
        ValueError,
        KeyError,
        TypeError,
        IndexError,
        zipfile.BadZipFile,
    ) as error:
        raise UsageError(flag, rule, f"{path} ({error!r:.200})") from error
    if mean.ndim != 1 or covariance.shape != (len(mean), len(mean)):
        shapes = f"{path} with {list(mean.shape)} and {list(covariance.shape)}"
        raise UsageError(flag, f"{rule} of [D] and [D, D]", shapes)
    if not (np.isfinite(mean).all() and np.isfinite(covariance).all()):
        raise UsageError(flag, f"{rule} that are finite", path)
    if np.abs(covariance - covariance.T).max() > ASYMMETRY * np.abs(covariance).max():
        raise UsageError(flag, f"{rule} that is symmetric", path)
    return Moments(mean, covariance)
