"""Runs a job, from its options to its summary."""

import contextlib
import dataclasses
import io
import json
import os
import re
import shlex
import sys
from collections.abc import Sequence

import apache_beam as beam
from apache_beam.io.filesystem import BeamIOError
from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions, StandardOptions
from apache_beam.runners import PipelineRunner
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.transforms.environments import SubprocessSDKEnvironment

from plain_text.decoding import EncodingError
from serving.batch import beam_pipeline, dask_cluster, models, progress, staging, storage
from serving.batch.caption_files import DamagedFileError
from serving.batch.handlers import ExportHandler, ServerHandler
from serving.batch.job import CaptionsDigest, Job, JobOptions
from serving.batch.job_folder import JOB, PARTIAL, SUCCESS, WORK, JobFolder, Summary
from serving.batch.models import ServerSource
from serving.batch.staging import StagedCaptions
from serving.program import UsageError

# Beam's "DirectRunner" first tries to download a binary.
LOCAL_RUNNER = "apache_beam.runners.portability.fn_api_runner.FnApiRunner"
# Beam does not know the short name "DaskRunner".
_DASK_RUNNER = "apache_beam.runners.dask.dask_runner.DaskRunner"
_DASK_RUNNERS = {"DaskRunner", _DASK_RUNNER}
_LOCAL_RUNNERS = {None, "DirectRunner", "FnApiRunner", LOCAL_RUNNER}
_SAME_JOB = "must be absent or empty, or hold the same job"
_OS_ERROR = re.compile(r"\bOSError: (\[Errno \d+\] .+?)(?: \[while running .*)?$", re.MULTILINE)
_USAGE_ERROR = re.compile(r"\bUsageError: (--.+?)(?: \[while running .*)?$", re.MULTILINE)


@dataclasses.dataclass(frozen=True)
class JobRequest:
    """The arguments of a run.

    Attributes:
      source: the model: folder of an export's versions or of one version, or a model on a server.
      captions: file or pattern; None for an unconditional model.
      output_dir: folder of the job.
      options: options that determine the outputs.
      resume: continues an earlier run of the same job.
      max_errors: rows that may fail; None for any number.
      beam_options: options of Beam, as on a command line.
      encoding: encoding of captions in text files without a byte order mark; None: UTF-8.
    """

    source: str | ServerSource
    captions: str | None
    output_dir: str
    options: JobOptions
    resume: bool = False
    max_errors: int | None = None
    beam_options: Sequence[str] = ()
    encoding: str | None = None


def run(request: JobRequest, *, dry_run: bool = False) -> tuple[Job, Summary | None]:
    """Runs a job.

    Args:
      request: arguments of the run.
      dry_run: checks everything, and writes nothing.

    Returns:
      The job, and its summary; the summary is None for a dry run.

    Raises:
      UsageError: an argument breaks a rule, or the job ended early.
    """
    # Check the arguments, and stage the captions.
    beam_options = _parse_beam_options(request.beam_options)
    source, takes_captions = request.source, request.captions is not None
    if isinstance(source, ServerSource):
        model = models.inspect_server(source, takes_captions=takes_captions)
    else:
        source, model = models.inspect_export(source, takes_captions=takes_captions)
    folder = storage.absolute(request.output_dir)
    earlier = _earlier_job(folder, request)
    work = storage.join(folder, WORK)
    new = storage.join(work, "captions.new")
    staged = _stage(request, None if dry_run else new, partial_folder=storage.join(work, PARTIAL))
    # Compare with the job of an earlier run in the same folder.
    job = Job(model, staged.captions, request.options)
    if earlier is not None and (differences := job.differences(earlier)):
        storage.remove(new)
        raise UsageError(f"--output_dir: {_SAME_JOB}, got one with other {', '.join(differences)}")
    beam_pipeline.check_errors(staged.problems * job.options.images_per_caption, request.max_errors)
    if dry_run:
        return job, None
    # Draw the unfinished shards, and write the manifest.
    job_folder = JobFolder(folder, job)
    if not request.resume:
        job_folder.clear()
    job_folder.begin()
    if storage.exists(new):
        storage.rename(new, job_folder.captions)
    data = beam_pipeline.WorkerData(job_folder, staged.offsets, request.max_errors)
    if not storage.exists(job_folder.path(SUCCESS)):
        handler: ExportHandler | ServerHandler
        if isinstance(source, ServerSource):
            handler = ServerHandler(source, job_folder)
        else:
            threads = _threads(beam_options)
            handler = ExportHandler(source, job_folder, threads=threads)
        _draw(data, handler, beam_options)
    summary = Summary(**json.loads(storage.read(job_folder.path(SUCCESS))))
    storage.remove(work)
    return job, summary


def _earlier_job(folder: str, request: JobRequest) -> bytes | None:
    """The content of a folder's job.json; None if the folder is absent or empty."""
    path = storage.join(folder, JOB)
    if storage.exists(path):
        return storage.read(path)
    if set(storage.names(folder)) - {WORK}:
        raise UsageError(f"--output_dir: {_SAME_JOB}, got {request.output_dir}")
    return None


def _stage(request: JobRequest, path: str | None, *, partial_folder: str) -> StagedCaptions:
    if request.captions is None:
        return StagedCaptions(CaptionsDigest(1, None), 0, ())
    try:
        sources = storage.match(request.captions)
    except BeamIOError as error:
        raise UsageError(f"--captions: must be files that can be read, got {error}") from error
    if not sources:
        rule = "must be a file, or a pattern that matches some"
        raise UsageError(f"--captions: {rule}, got {request.captions}")
    try:
        return staging.stage(
            sources, path, partial_folder=partial_folder, encoding=request.encoding
        )
    except EncodingError as error:
        rule = f"must be text in {request.encoding or 'UTF-8'}"
        raise UsageError(f"--captions: {rule}, got {error}") from error
    except DamagedFileError as error:
        raise UsageError(f"--captions: must be whole files, got {error}") from error


def _draw(
    data: beam_pipeline.WorkerData, handler: ExportHandler | ServerHandler, options: PipelineOptions
) -> None:
    job_folder = data.job_folder
    finished = job_folder.finished_shards()
    numbers = (number for number in range(job_folder.job.shard_count) if number not in finished)
    watched = options.view_as(StandardOptions).runner in (LOCAL_RUNNER, _DASK_RUNNER)
    watch = watched and storage.is_local(job_folder.folder)
    with progress.shown(job_folder) if watch else contextlib.nullcontext():
        try:
            job = beam.Pipeline(runner=_runner(options), options=options)
            shards = [job_folder.job.shard(number) for number in numbers]
            beam_pipeline.build(job, data, shards=shards, handler=handler)
            with dask_cluster.left_afterwards(job.run()) as result:
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


def _parse_beam_options(arguments: Sequence[str]) -> PipelineOptions:
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


def _threads(options: PipelineOptions) -> int | None:
    """TensorFlow's threads per process, if several processes share this machine; else None."""
    direct = options.view_as(DirectOptions)
    if direct.direct_running_mode != "multi_processing" or direct.direct_num_workers < 1:
        return None
    return max(1, len(os.sched_getaffinity(0)) // direct.direct_num_workers)
