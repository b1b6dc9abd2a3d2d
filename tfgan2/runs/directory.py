"""Files of a run directory; each write is one operation, so no file is half-written."""

import contextlib
import dataclasses
import hashlib
import json
import os
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

from tfgan2.locks import locked
from tfgan2.program import UsageError, write_file
from tfgan2.runs import recipe as recipes

CONFIG_NAME = "config.json"
# Checkpoints that programs can select: the newest one, or the one of --keep_best.
CHECKPOINTS = ("latest", "best")
DATA_FIELDS = frozenset({"checksum", "channels"})


@dataclasses.dataclass(frozen=True)
class Config:
    """Contents of config.json.

    Attributes:
      recipe: recipe of the run; its precision is never `auto`.
      data: source, licence, checksum, channels and some captions of the data set.
      versions: versions of the packages at the start of the run.
      text_encoder: run and checksum of the pretrained text encoder; None for a new text encoder.
      stage_one: run of the stage-I generator of StackGAN's stage II; None for other runs.
      init_from: run whose networks the run started with: path, step, images trained on, checksum
        and data set; None for a run with new networks.
      vocabulary_sha256: checksum of the vocabulary file; None without one, and for runs of earlier
        versions.
    """

    recipe: recipes.Recipe
    data: Mapping[str, Any]
    versions: Mapping[str, str]
    text_encoder: Mapping[str, str] | None
    stage_one: str | None = None
    init_from: Mapping[str, Any] | None = None
    vocabulary_sha256: str | None = None


class RunDirectory:
    """Paths of all files of a run.

    Attributes:
      path: the directory.
      config_file: file of the recipe, package versions and data checksum.
      checkpoints: folder of the checkpoints and the vocabulary, which they need.
      best_checkpoint: folder of the checkpoint of the best evaluation.
      vocabulary_file: vocabulary, one word per line; beside the checkpoints, which are useless
        without it.
      metrics_file: losses over time: one JSON object per line.
      evaluations_file: evaluations with their protocol: one JSON object per line.
      tensorboard: folder of the TensorBoard events.
      samples: folder of the sample grids.
      animation: GIF of all sample grids in order.
      interpolation: image of interpolations between seeds, and between captions.
      lock_file: file whose lock the training that writes the run holds.
    """

    def __init__(self, path: pathlib.Path) -> None:
        """Computes the paths; creates nothing."""
        self.path = path
        self.config_file = path / CONFIG_NAME
        self.checkpoints = path / "checkpoints"
        self.best_checkpoint = self.checkpoints / "best"
        self.vocabulary_file = self.checkpoints / "vocabulary.txt"
        self.metrics_file = path / "metrics.jsonl"
        self.evaluations_file = path / "evaluations.jsonl"
        self.tensorboard = path / "tensorboard"
        self.samples = path / "samples"
        self.animation = path / "training.gif"
        self.interpolation = path / "interpolation.png"
        self.lock_file = path / ".lock"

    @classmethod
    def at(cls, path: str | os.PathLike) -> "RunDirectory":
        """The run directory at a path, which need not exist.

        Raises:
          UsageError: the path is a file, or a directory with other files.
        """
        run = cls(pathlib.Path(path))
        if run.path.exists() and not run.path.is_dir():
            raise UsageError("--run_dir", "must be a directory or absent", path)
        # A start that was killed may leave only its lock file.
        entries = set(run.path.iterdir()) if run.path.is_dir() else set()
        if entries - {run.lock_file} and not run.config_file.exists():
            raise UsageError("--run_dir", f"must be empty, absent or hold {CONFIG_NAME}", path)
        return run

    @classmethod
    def existing(cls, path: str | os.PathLike, *, flag: str = "--run_dir") -> "RunDirectory":
        """The existing run directory at a path.

        Args:
          path: path of the directory.
          flag: flag that names the run, for error messages.

        Raises:
          UsageError: there is no run at the path.
        """
        run = cls(pathlib.Path(path))
        if not run.config_file.is_file():
            raise UsageError(flag, f"must be a run, with a {CONFIG_NAME}", path)
        return run

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Context of a training that writes the run, which is created if absent.

        Raises:
          UsageError: another process trains in this directory.
        """
        is_new = not self.path.exists()
        self.path.mkdir(parents=True, exist_ok=True)
        with locked(self.lock_file, flag="--run_dir", place=self.path):
            try:
                yield
            finally:
                # Leave no directory behind if the run has not begun.
                if not self.config_file.exists():
                    self.lock_file.unlink(missing_ok=True)
                    if is_new:
                        with contextlib.suppress(OSError):  # The directory has other files.
                            self.path.rmdir()

    def sample_grid(self, step: int) -> pathlib.Path:
        """Sample grid of a step."""
        return self.samples / f"step_{step:08d}.png"

    def sample_texts(self, step: int) -> pathlib.Path:
        """Texts that a joint model generated for the grid of a step: a seed and a text per line."""
        return self.sample_grid(step).with_suffix(".txt")

    def read_config(self) -> Config:
        """Reads config.json.

        Raises:
          UsageError: the file is not the configuration of a run.
        """
        try:
            fields = json.loads(self.config_file.read_text(encoding="utf-8"))
            recipe = recipes.from_json(fields["recipe"], version=fields["versions"].get("tfgan2"))
            missing = DATA_FIELDS - fields["data"].keys()
            if missing:
                raise KeyError(min(missing))
            return Config(
                recipe=recipe,
                data=fields["data"],
                versions=fields["versions"],
                text_encoder=fields["text_encoder"],
                stage_one=fields["stage_one"],
                init_from=fields.get("init_from"),
                vocabulary_sha256=fields.get("vocabulary_sha256"),
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            name = str(self.config_file)
            rule = "must be the configuration of a run"
            raise UsageError(name, rule, f"{error!r:.200}") from error

    def write_config(self, config: Config) -> None:
        """Writes config.json."""
        text = json.dumps(dataclasses.asdict(config), indent=1, ensure_ascii=False) + "\n"
        write_file(self.config_file, text.encode())

    def vocabulary_sha256(self) -> str | None:
        """Returns the checksum of the vocabulary file; None without one."""
        if not self.vocabulary_file.is_file():
            return None
        return hashlib.sha256(self.vocabulary_file.read_bytes()).hexdigest()

    def check_vocabulary(self) -> None:
        """Checks the vocabulary: with other words, or in another order, captions are misread.

        Raises:
          UsageError: the file is missing, or is not the one that the run began with.
        """
        name, expected = str(self.vocabulary_file), self.read_config().vocabulary_sha256
        try:
            content = self.vocabulary_file.read_bytes()
            words = content.decode().splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(name, "must be the vocabulary of the run", error) from error
        if not words or len({*words}) < len(words):
            rule = "must be the vocabulary of the run, with different words"
            raise UsageError(name, rule, f"{len(words)} lines")
        found = hashlib.sha256(content).hexdigest()
        if expected not in (None, found):
            rule = f"must be the vocabulary that the run began with, of SHA-256 {expected}"
            raise UsageError(name, rule, found)

    def metrics(self) -> Iterator[tuple[bytes, dict[str, Any]]]:
        """Yields the whole lines of metrics.jsonl with their fields; leaves out damaged lines."""
        if not self.metrics_file.is_file():
            return
        for line in self.metrics_file.read_bytes().splitlines(keepends=True):
            with contextlib.suppress(ValueError):
                fields = json.loads(line)
                if not line.endswith(b"\n") or not isinstance(fields, dict):
                    continue
                if isinstance(fields.get("step"), int):
                    yield line, fields

    def drop_metrics_after(self, step: int) -> None:
        """Removes damaged lines of metrics.jsonl, and those after a step where the run resumes."""
        kept = b"".join(line for line, fields in self.metrics() if fields["step"] <= step)
        if self.metrics_file.is_file() and len(kept) < self.metrics_file.stat().st_size:
            write_file(self.metrics_file, kept)


def append_line(path: pathlib.Path, fields: Mapping[str, Any]) -> None:
    """Appends one JSON object to a file, in one write."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        file.write((json.dumps(fields, ensure_ascii=False) + "\n").encode())
