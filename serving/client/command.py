"""Requests the pictures that the flags of the client describe, and writes them to files."""

import pathlib

import grpc
from absl import flags

from serving import program
from serving.client.connection import Tls
from serving.client.pictures import Picture, Pictures, write
from serving.client.retry import Retry
from serving.client.sync import Client

FLAGS = flags.FLAGS


def request() -> None:
    """Requests pictures with one call, and writes them to files."""
    if FLAGS.seed is None and FLAGS.truncation:
        raise program.UsageError("--seed: must be given with --truncation, got none")
    _check_outputs()
    pictures, columns = _draw()
    try:
        if FLAGS.output_dir is not None:
            _write_files(pathlib.Path(FLAGS.output_dir), pictures)
        else:
            _write_file(pathlib.Path(FLAGS.output), pictures, columns)
    except OSError as error:
        flag = "output" if FLAGS.output_dir is None else "output_dir"
        raise program.UsageError(
            f"--{flag}: must have room and be writable, got {error}"
        ) from error


def _write_files(folder: pathlib.Path, pictures: Pictures) -> None:
    for position, picture in enumerate(pictures):
        path = folder / f"{position:04d}_seed_{picture.seed}.png"
        write(path, picture.png)
        print(f"{path}: {_described(picture)}")


def _write_file(path: pathlib.Path, pictures: Pictures, columns: int) -> None:
    if len(pictures) == 1:
        write(path, pictures[0].png)
        print(f"{path}: {_described(pictures[0])}")
        return
    write(path, pictures.sheet(columns=columns))
    for position, picture in enumerate(pictures):
        row, column = divmod(position, columns)
        print(f"{path}, row {row + 1}, column {column + 1}: {_described(picture)}")


def _check_outputs() -> None:
    if (FLAGS.output is None) == (FLAGS.output_dir is None):
        got = "none" if FLAGS.output is None else "both"
        raise program.UsageError(f"--output: must be given, or else --output_dir, got {got}")
    if FLAGS.output is not None:
        output = pathlib.Path(FLAGS.output)
        if output.is_dir() or not output.absolute().parent.is_dir():
            rule = "must be a file in a folder that exists"
            raise program.UsageError(f"--output: {rule}, got {output}")


def _draw() -> tuple[Pictures, int]:
    """The pictures ordered by caption, then seed; and the number of pictures per caption."""
    captions, seeds = FLAGS.caption, FLAGS.seed
    columns = len(seeds or [0])
    # Combine each caption with each seed.
    if captions and seeds:
        captions = [caption for caption in captions for _ in FLAGS.seed]
        seeds = FLAGS.seed * len(FLAGS.caption)
    tls = _tls()
    try:
        client = Client(
            FLAGS.target,
            model=FLAGS.model,
            timeout_seconds=FLAGS.timeout_seconds,
            tls=tls,
            metadata=_metadata(),
            retry=Retry(attempts=FLAGS.attempts),
        )
    except ValueError as error:  # Its text begins with the argument's name, equal to the flag's.
        raise program.UsageError(f"--{error}") from error
    try:
        with client:
            return client.draw(captions, seeds=seeds, truncation=FLAGS.truncation), columns
    except grpc.RpcError as error:
        status = f"{error.code().name}: {error.details()}"
        rule = f"must serve the model {FLAGS.model}"
        raise program.UsageError(f"--target: {rule}, got {status} from {FLAGS.target}") from error


def _tls() -> Tls | None:
    parts = {name: _read(f"tls_{name}") for name in ("ca", "certificate", "key")}
    if not FLAGS.tls and all(part is None for part in parts.values()):
        return None
    try:
        return Tls(**parts)
    except ValueError as error:
        raise program.UsageError(f"--tls_{error}") from error


def _read(flag: str) -> bytes | None:
    path = FLAGS[flag].value
    if path is None:
        return None
    try:
        return pathlib.Path(path).read_bytes()
    except OSError as error:
        rule = "must be a file that can be read"
        raise program.UsageError(f"--{flag}: {rule}, got {path} ({error.strerror})") from error


def _metadata() -> list[tuple[str, str | bytes]]:
    pairs: list[tuple[str, str | bytes]] = []
    for pair in FLAGS.metadata:
        key, equals, value = pair.partition("=")
        if not equals:
            raise program.UsageError("--metadata: must be key=value, got one without =")
        pairs.append((key, value))
    return pairs


def _described(picture: Picture) -> str:
    written = "" if picture.text is None else f", text {picture.text!r}"
    return f"seed {picture.seed}, {picture.unknown_words} unknown words{written}"
