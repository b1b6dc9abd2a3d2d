"""Writes features and their metrics by reference implementations, for `test_published.py`.

Needs a separate environment with torch-fidelity 0.4.0, clean-fid 0.1.35, prdc 0.2 and mpmath:

python tests/metrics/published/write.py tests/metrics/published
"""

import json
import pathlib
import sys

import mpmath
import numpy as np
import torch
from cleanfid import fid as clean_fid
from cleanfid.resize import make_resizer
from prdc import compute_prdc
from torch_fidelity import metric_fid, metric_isc, metric_kid

NEAREST = (3, 5)
KID_OPTIONS = {"kid_subsets": 20, "rng_seed": 2020, "verbose": False, "kid_kernel": "poly"}
KID_OPTIONS |= {"kid_kernel_poly_degree": 3, "kid_kernel_poly_gamma": None}
KID_OPTIONS["kid_kernel_poly_coef0"] = 1
IMAGE_SIDES_PX, RESIZED_SIDES_PX = (8, 64), (29, 16)


def features(generator: np.random.Generator) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Pairs of sets: similar, distant, with singular covariances, and with copies."""
    mix = generator.normal(size=(12, 12))
    alike = [generator.normal(size=(count, 12)) @ mix + 3.0 for count in (150, 130)]
    apart = [alike[0], np.maximum(0.8 * alike[1] + 1.0, 0.0)]
    few = [generator.normal(size=(count, 24)) for count in (14, 11)]
    copied = [alike[0], alike[1][np.arange(130) % 40]]
    pairs = {"alike": alike, "apart": apart, "singular": few, "copied": copied}
    return {name: tuple(rows.astype(np.float32) for rows in pair) for name, pair in pairs.items()}


def exact_frechet_distance(one: np.ndarray, other: np.ndarray) -> float:
    """The Frechet distance with 60 digits, from traces and eigenvalues of the product."""
    mpmath.mp.dps = 60
    means, covariances = [], []
    for rows in (one, other):
        exact = mpmath.matrix(rows.tolist())
        mean = [mpmath.fsum(exact[:, at]) / exact.rows for at in range(exact.cols)]
        for at in range(exact.cols):
            for row in range(exact.rows):
                exact[row, at] -= mean[at]
        means.append(mean)
        covariances.append(exact.T * exact / (exact.rows - 1))
    values, vectors = mpmath.eigsy(covariances[0])
    roots = mpmath.diag([mpmath.sqrt(max(value, 0)) for value in values])
    root = vectors * roots * vectors.T
    product = root * covariances[1] * root
    values = mpmath.eigsy((product + product.T) / 2, eigvals_only=True)
    overlap = mpmath.fsum(mpmath.sqrt(max(value, 0)) for value in values)
    traces = sum(matrix[at, at] for matrix in covariances for at in range(matrix.rows))
    apart = mpmath.fsum((a - b) ** 2 for a, b in zip(*means, strict=True))
    return float(apart + traces - 2 * overlap)


def answers(one: np.ndarray, other: np.ndarray) -> dict[str, float]:
    """Metrics by the reference libraries, of generated features `one` and real ones `other`."""
    tensors = [torch.from_numpy(rows.astype(np.float64)) for rows in (one, other)]
    moments = [metric_fid.fid_features_to_statistics(rows) for rows in tensors]
    clean = [moment[name] for moment in moments for name in ("mu", "sigma")]
    found = {
        "fid_torch_fidelity": metric_fid.fid_statistics_to_metric(*moments, False)[
            metric_fid.KEY_METRIC_FID
        ],
        "fid_clean_fid": float(clean_fid.frechet_distance(*clean)),
        "fid_60_digits": exact_frechet_distance(one, other),
    }
    size = min(len(one), len(other)) // 2
    subsets = metric_kid.kid_features_to_metric(*tensors, kid_subset_size=size, **KID_OPTIONS)
    found["kid_subset_size"] = size
    found["kid_mean"] = subsets[metric_kid.KEY_METRIC_KID_MEAN]
    found["kid_std"] = subsets[metric_kid.KEY_METRIC_KID_STD]
    size = min(len(one), len(other))
    whole = [rows[:size] for rows in tensors]
    found["kid_whole"] = metric_kid.kid_features_to_metric(
        *whole, kid_subset_size=size, **{**KID_OPTIONS, "kid_subsets": 1}
    )[metric_kid.KEY_METRIC_KID_MEAN]
    for nearest in NEAREST:
        shares = compute_prdc(*(rows.numpy() for rows in reversed(tensors)), nearest_k=nearest)
        found |= {f"{name}_{nearest}": float(value) for name, value in shares.items()}
    scores = metric_isc.isc_features_to_metric(tensors[0], shuffle=False)
    found["inception_score"] = scores[metric_isc.KEY_METRIC_ISC_MEAN]
    found["inception_score_std"] = scores[metric_isc.KEY_METRIC_ISC_STD]
    return found


def main() -> None:
    """Writes features.npz, resized.npz and answers.json."""
    folder = pathlib.Path(sys.argv[1])
    generator = np.random.default_rng(0)
    pairs = features(generator)
    arrays = {
        f"{name}_{side}": rows
        for name, pair in pairs.items()
        for side, rows in zip(("drawn", "real"), pair, strict=True)
    }
    np.savez_compressed(folder / "features.npz", **arrays)
    found = {name: answers(*pair) for name, pair in pairs.items()}
    (folder / "answers.json").write_text(json.dumps(found, indent=1) + "\n")
    images = {}
    for side, resized in zip(IMAGE_SIDES_PX, RESIZED_SIDES_PX, strict=True):
        image = generator.integers(0, 256, (side, side, 3)).astype(np.uint8)
        images[f"image_{side}"] = image
        resize = make_resizer("PIL", False, "bicubic", (resized, resized))
        images[f"resized_{side}"] = resize(image)
    np.savez_compressed(folder / "resized.npz", **images)


if __name__ == "__main__":
    main()
