"""Runs a job, from its options to its summary."""

import contextlib
import dataclasses
import functools
import json
import os
from collections.abc import Sequence

from apache_beam.io.filesystem import BeamIOError
from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions, StandardOptions

from plain_text.decoding import EncodingError
from serving.batch import beam_pipeline, models, progress, runners, staging, storage
from serving.batch.caption_files import DamagedFileError
from serving.batch.handlers import ExportHandler, ServerHandler
from serving.batch.job import CaptionsDigest, Job, JobOptions
from serving.batch.job_folder import JOB, PARTIAL, SUCCESS, WORK, JobFolder, Summary
from serving.batch.models import ServerSource
from serving.batch.staging import StagedCaptions
from serving.program import UsageError

_SAME_JOB = "must be absent or empty, or hold the same job"


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
    beam_options = runners.parse(request.beam_options)
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
    watched = options.view_as(StandardOptions).runner in runners.WATCHED
    watch = watched and storage.is_local(job_folder.folder)
    shards = [job_folder.job.shard(number) for number in numbers]
    build = functools.partial(beam_pipeline.build, data=data, shards=shards, handler=handler)
    with progress.shown(job_folder) if watch else contextlib.nullcontext():
        runners.run(build, options)


def _threads(options: PipelineOptions) -> int | None:
    """TensorFlow's threads per process, if several processes share this machine; else None."""
    direct = options.view_as(DirectOptions)
    if direct.direct_running_mode != "multi_processing" or direct.direct_num_workers < 1:
        return None
    return max(1, len(os.sched_getaffinity(0)) // direct.direct_num_workers)
