"""Runs jobs, and reads their folders."""

import io
import json
import pathlib
from typing import Any

import numpy as np
from PIL import Image

from serving.batch import job_runner
from serving.batch.job import JobOptions
from serving.batch.job_folder import Summary


def generate(
    source: pathlib.Path | job_runner.ServerSource,
    captions: pathlib.Path | str | None,
    output_dir: pathlib.Path | str,
    *,
    resume: bool = False,
    max_errors: int | None = None,
    beam_options: tuple[str, ...] = (),
    **options: Any,
) -> Summary | None:
    """Runs a job; default: three rows per block."""
    if isinstance(source, pathlib.Path):
        source = str(source)
    request = job_runner.JobRequest(
        source=source,
        captions=None if captions is None else str(captions),
        output_dir=str(output_dir),
        options=JobOptions(**{"batch_size": 3} | options),
        resume=resume,
        max_errors=max_errors,
        beam_options=beam_options,
    )
    _, summary = job_runner.run(request)
    return summary


def write_captions(path: pathlib.Path, captions: list[str]) -> pathlib.Path:
    """Writes one caption per line."""
    path.write_text("".join(f"{caption}\n" for caption in captions), encoding="utf-8")
    return path


def tree(folder: pathlib.Path) -> dict[str, bytes]:
    """All files of a folder, by their paths in it."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def lines(path: pathlib.Path) -> list[dict[str, Any]]:
    """The objects of a file of JSON lines."""
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def pixels(png: bytes) -> np.ndarray:
    """A PNG as an array."""
    with Image.open(io.BytesIO(png)) as image:
        return np.asarray(image)
