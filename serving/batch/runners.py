"""Runs a pipeline on the runner of Beam that its options name."""

import contextlib
import io
import re
import shlex
import sys
from collections.abc import Callable, Sequence

import apache_beam as beam
from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions, StandardOptions
from apache_beam.runners import PipelineRunner
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.transforms.environments import SubprocessSDKEnvironment

from serving.batch import dask_cluster
from serving.program import UsageError

# Beam's "DirectRunner" first tries to download a binary.
LOCAL_RUNNER = "apache_beam.runners.portability.fn_api_runner.FnApiRunner"
# Beam does not know the short name "DaskRunner".
_DASK_RUNNER = "apache_beam.runners.dask.dask_runner.DaskRunner"
_DASK_RUNNERS = {"DaskRunner", _DASK_RUNNER}
_LOCAL_RUNNERS = {None, "DirectRunner", "FnApiRunner", LOCAL_RUNNER}
# Runners that show no progress of their own.
WATCHED = (LOCAL_RUNNER, _DASK_RUNNER)
_OS_ERROR = re.compile(r"\bOSError: (\[Errno \d+\] .+?)(?: \[while running .*)?$", re.MULTILINE)
_USAGE_ERROR = re.compile(r"\bUsageError: (--.+?)(?: \[while running .*)?$", re.MULTILINE)


def parse(arguments: Sequence[str]) -> PipelineOptions:
    """Reads options of Beam.

    Args:
      arguments: the options, as on a command line.

    Raises:
      UsageError: an option is unknown or not valid, or a Dask scheduler does not answer.
    """
    rule = "must be followed by options of Beam"
    stderr = io.StringIO()
    try:
        with contextlib.redirect_stderr(stderr):
            options = PipelineOptions(list(arguments))
            known = options.get_all_options(retain_unknown_options=False)
    except SystemExit as error:  # argparse has printed its usage and the error.
        message = stderr.getvalue().strip().splitlines()[-1].partition("error: ")[2]
        raise UsageError(f"--: {rule}, got {message}") from error
    standard, direct = options.view_as(StandardOptions), options.view_as(DirectOptions)
    if standard.runner in _DASK_RUNNERS:
        return dask_cluster.prepared(options, runner=_DASK_RUNNER)
    if standard.runner not in _LOCAL_RUNNERS:
        return options  # Other runners may know options that Beam does not know here.
    standard.runner = LOCAL_RUNNER
    for argument in arguments:
        if argument.startswith("--") and argument[2:].partition("=")[0] not in known:
            raise UsageError(f"--: {rule}, got {argument}")
    if direct.direct_num_workers != 1 and direct.direct_running_mode == "in_memory":
        rule = "must be 1 unless --direct_running_mode is multi_processing or multi_threading"
        raise UsageError(f"--direct_num_workers: {rule}, got {direct.direct_num_workers}")
    return options


def run(build: Callable[[beam.Pipeline], None], options: PipelineOptions) -> None:
    """Runs a pipeline, and waits for its end.

    Args:
      build: adds the transforms to an empty pipeline.
      options: options of Beam, see `parse`.

    Raises:
      UsageError: a worker raised one, or could not write.
    """
    try:
        pipeline = beam.Pipeline(runner=_runner(options), options=options)
        build(pipeline)
        with dask_cluster.left_afterwards(pipeline.run()) as result:
            result.wait_until_finish()
    except Exception as error:
        # Workers run in other processes: their exceptions arrive as text.
        text = f"{type(error).__name__}: {error}"
        messages = _USAGE_ERROR.findall(text)
        if not messages and (reasons := _OS_ERROR.findall(text)):
            messages = [f"--output_dir: must have room and be writable, got {reasons[-1]}"]
        if not messages:
            raise
        raise UsageError(messages[-1]) from error


def _runner(options: PipelineOptions) -> PipelineRunner | None:
    """The local runner with quiet worker processes, if these are wanted; else None."""
    direct = options.view_as(DirectOptions)
    local = options.view_as(StandardOptions).runner == LOCAL_RUNNER
    if not local or direct.direct_running_mode != "multi_processing":
        return None
    # In its own mode of several processes, the runner would start Beam's worker program.
    direct.direct_running_mode = "in_memory"
    command = f"{shlex.quote(sys.executable)} -m serving.batch.worker"
    return FnApiRunner(SubprocessSDKEnvironment.from_command_string(command))
