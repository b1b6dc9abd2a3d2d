"""Runs a job, from its options to its summary."""

import contextlib
import dataclasses
import io
import json
import os
import re
from collections.abc import Sequence

import apache_beam as beam
from apache_beam.io.filesystem import BeamIOError
from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions, StandardOptions

from serving.batch import beam_pipeline, models, progress, staging, storage
from serving.batch.block_generator import Painter
from serving.batch.caption_files import DamagedFileError
from serving.batch.handlers import ExportHandler, ServerHandler
from serving.batch.job import Captions, Job, Options
from serving.batch.job_folder import JOB, PARTIAL, SUCCESS, WORK, Outputs, Summary
from serving.batch.models import ModelInfo
from serving.batch.staging import Staged
from serving.program import UsageError

# Beam's "DirectRunner" first tries to download a binary.
LOCAL_RUNNER = "apache_beam.runners.portability.fn_api_runner.FnApiRunner"
_LOCAL_RUNNERS = {None, "DirectRunner", "FnApiRunner", LOCAL_RUNNER}
_MISTAKE = re.compile(r"\bUsageError: (--.+?)(?: \[while running .*)?$", re.MULTILINE)


@dataclasses.dataclass(frozen=True)
class Export:
    """A model to load from disk.

    Attributes:
      export_dir: folder of the versions, or folder of one version.
    """

    export_dir: str


@dataclasses.dataclass(frozen=True)
class Server:
    """A model on a server.

    Attributes:
      target: host:port, or several separated by commas; requests rotate over them.
      model: name of the model on the servers.
      concurrent_requests: requests at the same time, per process.
      timeout_seconds: limit of a request, with all its attempts.
    """

    target: str
    model: str
    concurrent_requests: int = 4
    timeout_seconds: float = 60.0


@dataclasses.dataclass(frozen=True)
class Request:
    """The arguments of a run.

    Attributes:
      source: the model.
      captions: file or pattern; None for an unconditional model.
      output_dir: folder of the job.
      options: options that determine the outputs.
      resume: continues an earlier run of the same job.
      max_errors: rows that may fail; None for any number.
      beam_options: options of Beam, as on a command line.
    """

    source: Export | Server
    captions: str | None
    output_dir: str
    options: Options
    resume: bool = False
    max_errors: int | None = None
    beam_options: Sequence[str] = ()


def run(request: Request, *, dry_run: bool = False) -> tuple[Job, Summary | None]:
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
    model, source = _model(request)
    folder = storage.absolute(request.output_dir)
    before = _job_before(folder, request)
    work = storage.join(folder, WORK)
    new = storage.join(work, "captions.new")
    staged = _stage(request, None if dry_run else new, partial_folder=storage.join(work, PARTIAL))
    # Compare with the job of an earlier run in the same folder.
    job = Job(model.identity, staged.captions, request.options)
    if before is not None and (differences := job.differences(before)):
        storage.remove(new)
        rule = "must be absent or empty, or hold the same job"
        raise UsageError(f"--output_dir: {rule}, got one with other {', '.join(differences)}")
    beam_pipeline.check_errors(staged.problems * job.options.images_per_caption, request.max_errors)
    if dry_run:
        return job, None
    # Draw the unfinished shards, and write the manifest.
    outputs = Outputs(folder, job)
    _begin(outputs, new, resume=request.resume)
    plan = beam_pipeline.Plan(
        outputs, None if request.captions is None else staged.offsets, request.max_errors
    )
    if not storage.exists(outputs.path(SUCCESS)):
        painter = Painter(job.options.batch_size, model.takes_captions, job.options.truncation)
        handler = _handler(source, painter, outputs, threads=_threads(beam_options))
        _draw(plan, handler, beam_options)
    summary = Summary(**json.loads(storage.read(outputs.path(SUCCESS))))
    storage.remove(work)
    return job, summary


def _model(request: Request) -> tuple[ModelInfo, Export | Server]:
    """The facts about the model, and its source with the folder of the chosen version."""
    source, takes_captions = request.source, request.captions is not None
    if isinstance(source, Server):
        return models.of_server(source.target, source.model, takes_captions=takes_captions), source
    version, model = models.of_export(source.export_dir)
    if model.takes_captions != takes_captions:
        raise models.other_kind(version, takes_captions=model.takes_captions)
    return model, Export(version)


def _handler(
    source: Export | Server, painter: Painter, outputs: Outputs, *, threads: int | None
) -> ExportHandler | ServerHandler:
    if isinstance(source, Export):
        return ExportHandler(source.export_dir, painter, outputs, threads=threads)
    return ServerHandler(
        source.target,
        source.model,
        painter,
        outputs,
        concurrent_requests=source.concurrent_requests,
        timeout_seconds=source.timeout_seconds,
    )


def _job_before(folder: str, request: Request) -> bytes | None:
    """The content of a folder's job.json; None if the folder is absent or empty."""
    path = storage.join(folder, JOB)
    if storage.exists(path):
        return storage.read(path)
    if set(storage.names(folder)) - {WORK}:
        rule = "must be absent or empty, or hold the same job"
        raise UsageError(f"--output_dir: {rule}, got {request.output_dir}")
    return None


def _stage(request: Request, path: str | None, *, partial_folder: str) -> Staged:
    if request.captions is None:
        return Staged(Captions(1, None), 0, ())
    try:
        sources = storage.match(request.captions)
    except BeamIOError as error:
        raise UsageError(f"--captions: must be files that can be read, got {error}") from error
    if not sources:
        rule = "must be a file, or a pattern that matches some"
        raise UsageError(f"--captions: {rule}, got {request.captions}")
    try:
        return staging.stage(sources, path, partial_folder=partial_folder)
    except DamagedFileError as error:
        raise UsageError(f"--captions: must be whole files, got {error}") from error


def _begin(outputs: Outputs, new: str, *, resume: bool) -> None:
    if not resume:
        outputs.clear()
    outputs.begin()
    if storage.exists(new):
        storage.rename(new, outputs.captions)


def _draw(
    plan: beam_pipeline.Plan, handler: ExportHandler | ServerHandler, options: PipelineOptions
) -> None:
    outputs = plan.outputs
    finished = outputs.finished_shards()
    numbers = (number for number in range(outputs.job.shard_count) if number not in finished)
    local = options.view_as(StandardOptions).runner == LOCAL_RUNNER
    watch = local and storage.is_local(outputs.folder)
    with progress.shown(outputs) if watch else contextlib.nullcontext():
        try:
            job = beam.Pipeline(options=options)
            shards = [outputs.job.shard(number) for number in numbers]
            beam_pipeline.build(job, plan, shards=shards, handler=handler)
            job.run().wait_until_finish()
        except Exception as error:
            # Workers run in other processes: their exceptions arrive as text.
            told = _MISTAKE.findall(f"{type(error).__name__}: {error}")
            if not told:
                raise
            raise UsageError(told[-1]) from error


def _parse_beam_options(arguments: Sequence[str]) -> PipelineOptions:
    rule = "must be followed by options of Beam"
    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint):
            options = PipelineOptions(list(arguments))
            known = options.get_all_options(retain_unknown_options=False)
    except SystemExit as error:  # argparse has printed its usage and the error.
        told = complaint.getvalue().strip().splitlines()[-1].partition("error: ")[2]
        raise UsageError(f"--: {rule}, got {told}") from error
    standard, direct = options.view_as(StandardOptions), options.view_as(DirectOptions)
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
