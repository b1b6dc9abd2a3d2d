"""Options of Beam's DaskRunner, checked before a job begins."""

import contextlib
from collections.abc import Iterator

from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions
from apache_beam.runners.runner import PipelineResult

from serving.program import UsageError

CONNECTION_SECONDS = 10


def prepared(options: PipelineOptions, *, runner: str) -> PipelineOptions:
    """Completes the options of a job on a Dask cluster, and checks that the scheduler answers.

    Args:
      options: options of Beam.
      runner: full name of the DaskRunner.

    Raises:
      UsageError: no scheduler is given, or the scheduler does not answer.
    """
    # Imported here: only jobs on a cluster need Dask.
    import distributed
    from apache_beam.runners.dask.dask_runner import DaskOptions

    options.view_as(StandardOptions).runner = runner
    dask = options.view_as(DaskOptions)
    if dask.address is None and dask.scheduler_file is None:
        rule = "must be the address of a scheduler, such as tcp://localhost:8786"
        raise UsageError(f"--dask_client_address: {rule}, got nothing")
    try:
        given = {"address": dask.address, "scheduler_file": dask.scheduler_file}
        with distributed.Client(**given, timeout=CONNECTION_SECONDS, set_as_default=False):
            pass
    except (OSError, ValueError) as error:
        name = dask.address or dask.scheduler_file
        rule = "must be the address of a Dask scheduler that answers"
        raise UsageError(f"--dask_client_address: {rule}, got {name} ({error})") from error
    if dask.npartitions is None and dask.partition_size is None:
        # The default, 128 shards in a task, would leave most workers without work.
        dask.partition_size = 1
    return options


@contextlib.contextmanager
def left_afterwards(result: PipelineResult) -> Iterator[PipelineResult]:
    """Closes the client of a DaskRunner's job at the end; results of other runners have none."""
    try:
        yield result
    finally:
        client = getattr(result, "client", None)
        if client is not None:
            client.close()
