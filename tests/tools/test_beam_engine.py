"""tools.prepare through Apache Beam: the same files as by processes of this machine."""

import collections
import os
import pathlib
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

import distributed
import pytest

from tests import programs
from tests.data.drawn import item
from tests.data.sources.conftest import png, write
from tests.serving.batch.jobs import tree
from tfgan2.data import preparing, records
from tfgan2.data.engines import Engine, Pool
from tfgan2.data.sources import Collection, Reject
from tfgan2.program import UsageError
from tools.beam_engine import BeamEngine

TRAIN, TEST, ITEMS_PER_PART = range(300), range(290, 340), 8
PARTS = -(-len(TRAIN) // ITEMS_PER_PART) - (-len(TEST) // ITEMS_PER_PART)


@pytest.fixture(autouse=True)
def small_parts_and_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preparing, "ITEMS_PER_PART", ITEMS_PER_PART)
    monkeypatch.setattr(records, "MAX_SHARD_BYTES", 20_000)


def prepare(folder: pathlib.Path, engine: Engine) -> dict[str, bytes]:
    items = Collection(
        splits={"train": [item(n) for n in TRAIN], "test": [item(n) for n in TEST]},
        licence="none",
        rejects=(Reject("x.png", "image has no caption"),),
    )
    preparing.prepare(
        items,
        source="folder",
        image_size=8,
        output_dir=folder,
        count_words=collections.Counter,
        engine=engine,
    )
    return tree(folder)


@pytest.fixture
def whole(tmp_path: pathlib.Path) -> dict[str, bytes]:
    return prepare(tmp_path / "pool", Pool(1))


def test_one_process_of_beam_writes_the_files_of_the_pool(
    whole: dict[str, bytes], tmp_path: pathlib.Path
) -> None:
    assert prepare(tmp_path / "beam", BeamEngine.of(["--runner=DirectRunner"])) == whole
    assert len([name for name in whole if name.endswith(".tfrecord")]) > 3
    assert whole["rejects.jsonl"].count(b"\n") == 36
    assert b'"images": 9' in whole["dataset.json"]  # In both splits.


@pytest.mark.slow
def test_several_processes_of_beam_write_the_files_of_the_pool(
    whole: dict[str, bytes], tmp_path: pathlib.Path
) -> None:
    options = ["--direct_running_mode=multi_processing", "--direct_num_workers=2"]
    assert prepare(tmp_path / "beam", BeamEngine.of(options)) == whole


@pytest.fixture
def cluster() -> Iterator[distributed.LocalCluster]:
    """A scheduler, and three workers in processes of their own, as on three machines."""
    with distributed.LocalCluster(
        n_workers=3, threads_per_worker=1, dashboard_address=":0"
    ) as running:
        yield running


@pytest.mark.slow
def test_cluster_writes_the_files_of_the_pool_although_a_worker_is_killed(
    whole: dict[str, bytes], cluster: distributed.LocalCluster, tmp_path: pathlib.Path
) -> None:
    """Kills a worker as soon as the first block is written."""
    folder, ended = tmp_path / "cluster", threading.Event()
    victim = next(iter(cluster.workers.values())).pid
    written: list[int] = []

    def kill() -> None:
        blocks = folder / preparing.SCRATCH_NAME / preparing.BLOCKS_NAME
        while not ended.wait(0.01):
            if count := len(list(blocks.glob("*.json"))):
                os.kill(victim, signal.SIGKILL)
                written.append(count)
                return

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        address = f"--dask_client_address={cluster.scheduler_address}"
        made = prepare(folder, BeamEngine.of(["--runner=DaskRunner", address]))
    finally:
        ended.set()
        killer.join()
    assert 0 < written[0] < PARTS
    assert made == whole


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        (["--runner=DaskRunner"], "--dask_client_address: must be the address of a scheduler"),
        (["--direct_workers=2"], "--: must be followed by options of Beam, got --direct_workers=2"),
    ],
)
def test_wrong_options_of_beam_are_refused(options: list[str], rule: str) -> None:
    with pytest.raises(UsageError, match=rule):
        BeamEngine.of(options)


def test_program_gives_options_after_two_dashes_to_beam(tmp_path: pathlib.Path) -> None:
    write(tmp_path / "mine", {"a.png": png(), "a.txt": "a dog"})
    for name, rest in (("pool", ()), ("beam", ("--", "--runner=DirectRunner"))):
        options = (f"--input_dir={tmp_path}/mine", f"--output_dir={tmp_path}/{name}", *rest)
        ended = programs.run("tools.prepare", "--source=folder", "--test_fraction=0", *options)
        assert ended.returncode == 0, ended.stderr
    assert tree(tmp_path / "beam") == tree(tmp_path / "pool")


WITHOUT = """
import runpy, sys
for name in ("apache_beam", "dask", "distributed", "google_crc32c", "pyarrow"):
    sys.modules[name] = None
runpy.run_module("tools.prepare", run_name="__main__", alter_sys=True)
"""


@pytest.mark.parametrize("rest", [(), ("--", "--runner=DirectRunner")])
def test_program_needs_beam_only_for_options_of_beam(
    rest: tuple[str, ...], tmp_path: pathlib.Path
) -> None:
    write(tmp_path / "mine", {"a.png": png(), "a.txt": "a dog"})
    flags = ("--source=folder", f"--input_dir={tmp_path}/mine", f"--output_dir={tmp_path}/out")
    command = [sys.executable, "-c", WITHOUT, *flags, "--test_fraction=0", *rest]
    ended = subprocess.run(
        command, cwd=programs.ROOT, capture_output=True, check=False, encoding="utf-8"
    )
    assert ended.returncode == (2 if rest else 0), ended.stderr
    assert (tmp_path / "out/dataset.json").exists() == (not rest)
    rule = (
        "error: apache_beam: must be installed (pip install 'tfgan2[batch]'), got no such package"
    )
    assert (rule in ended.stderr) == bool(rest)
