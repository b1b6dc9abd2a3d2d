"""Jobs on a Dask cluster: the same files as on one machine, also if a worker is killed."""

import importlib
import os
import pathlib
import signal
import sys
import threading
from collections.abc import Iterator

import distributed
import pytest

from serving.batch import dask_cluster
from serving.program import UsageError
from tests.serving.batch import painted
from tests.serving.batch.jobs import generate, tree, write_captions

CAPTIONS = [f"caption {number}" for number in range(31)]
CAPTIONS[9] = painted.REFUSED


@pytest.fixture(scope="module")
def captions(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return write_captions(tmp_path_factory.mktemp("captions") / "captions.txt", CAPTIONS)


@pytest.fixture(scope="module")
def whole(
    painted_dir: pathlib.Path, captions: pathlib.Path, tmp_path_factory: pytest.TempPathFactory
) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("whole") / "out"
    generate(painted_dir, captions, folder, shards=3)
    return folder


@pytest.fixture(scope="module")
def cluster() -> Iterator[distributed.LocalCluster]:
    """A scheduler, and three workers in processes of their own, as on three machines."""
    with distributed.LocalCluster(
        n_workers=3, threads_per_worker=1, dashboard_address=":0"
    ) as running:
        yield running


def options(cluster: distributed.LocalCluster) -> tuple[str, ...]:
    return ("--runner=DaskRunner", f"--dask_client_address={cluster.scheduler_address}")


@pytest.mark.slow
def test_job_on_a_cluster_ends_if_too_many_rows_fail_and_goes_on_with_resume(
    cluster: distributed.LocalCluster,
    whole: pathlib.Path,
    painted_dir: pathlib.Path,
    captions: pathlib.Path,
    tmp_path: pathlib.Path,
) -> None:
    arguments = (painted_dir, captions, tmp_path / "out")
    begun = {"shards": 3, "beam_options": options(cluster)}
    with pytest.raises(UsageError, match="--max_errors: at most 0 rows may fail"):
        generate(*arguments, **begun, max_errors=0)
    assert not (tmp_path / "out/_SUCCESS").exists()
    generate(*arguments, **begun, resume=True)
    assert tree(tmp_path / "out") == tree(whole)


@pytest.mark.parametrize(
    ("given", "rule"),
    [
        ((), "must be the address of a scheduler, such as .*, got nothing"),
        (("--dask_client_address=tcp://localhost:1",), "must be the address of a Dask scheduler"),
    ],
)
def test_cluster_that_does_not_answer_is_refused_before_any_file_is_written(
    given: tuple[str, ...],
    rule: str,
    painted_dir: pathlib.Path,
    captions: pathlib.Path,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("serving.batch.dask_cluster.CONNECTION_SECONDS", 1)
    with pytest.raises(UsageError, match=f"--dask_client_address: {rule}"):
        generate(
            painted_dir, captions, tmp_path / "out", beam_options=("--runner=DaskRunner", *given)
        )
    assert not (tmp_path / "out").exists()


def test_jobs_on_one_machine_need_no_dask(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("dask", "distributed", "apache_beam.runners.dask.dask_runner"):
        monkeypatch.setitem(sys.modules, name, None)
    importlib.reload(dask_cluster)


@pytest.mark.slow
def test_job_writes_the_same_files_although_a_worker_is_killed(
    cluster: distributed.LocalCluster,
    whole: pathlib.Path,
    painted_dir: pathlib.Path,
    captions: pathlib.Path,
    tmp_path: pathlib.Path,
) -> None:
    """Kills a worker as soon as the first block is written."""
    folder, ended, killed = tmp_path / "out", threading.Event(), threading.Event()
    victim = next(iter(cluster.workers.values())).pid

    def kill() -> None:
        while not ended.wait(0.05):
            if any(folder.glob("shard-*/*.png")):
                os.kill(victim, signal.SIGKILL)
                killed.set()
                return

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        generate(painted_dir, captions, folder, shards=3, beam_options=options(cluster))
    finally:
        ended.set()
        killer.join()
    assert killed.is_set()
    assert tree(folder) == tree(whole)
