"""Files of a run directory; each write is one operation, so no file is half-written."""

import dataclasses
import json
import os
import pathlib
from collections.abc import Mapping
from typing import Any

from tfgan2.program import UsageError, write_file
from tfgan2.runs import recipe as recipes

CONFIG_NAME = "config.json"


@dataclasses.dataclass(frozen=True)
class Config:
    """Contents of config.json.

    Attributes:
      recipe: recipe of the run; its precision is never `auto`.
      data: source, licence, checksum, channels and some captions of the data set.
      versions: versions of the packages at the start of the run.
      text_encoder: run and checksum of the pretrained text encoder; None for a new text encoder.
      stage_one: run of the stage-I generator of StackGAN's stage II; None for other runs.
    """

    recipe: recipes.Recipe
    data: Mapping[str, Any]
    versions: Mapping[str, str]
    text_encoder: Mapping[str, str] | None
    stage_one: str | None = None


@dataclasses.dataclass(frozen=True)
class RunDirectory:
    """Paths of all files of a run."""

    path: pathlib.Path

    @classmethod
    def at(cls, path: str | os.PathLike) -> "RunDirectory":
        """The run directory at a path, which need not exist.

        Raises:
          UsageError: the path is a file, or a directory with other files.
        """
        run = cls(pathlib.Path(path))
        if run.path.exists() and not run.path.is_dir():
            raise UsageError("--run_dir", "must be a directory or absent", path)
        if run.path.is_dir() and not run.config_file.exists() and any(run.path.iterdir()):
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

    @property
    def config_file(self) -> pathlib.Path:
        """File of the recipe, package versions and data checksum."""
        return self.path / CONFIG_NAME

    @property
    def checkpoints(self) -> pathlib.Path:
        """Folder of the checkpoints and the vocabulary, which they need."""
        return self.path / "checkpoints"

    @property
    def best_checkpoint(self) -> pathlib.Path:
        """Folder of the checkpoint of the best evaluation."""
        return self.checkpoints / "best"

    @property
    def vocabulary_file(self) -> pathlib.Path:
        """Vocabulary, one word per line; beside the checkpoints, which are useless without it."""
        return self.checkpoints / "vocabulary.txt"

    @property
    def metrics_file(self) -> pathlib.Path:
        """Losses over time: one JSON object per line."""
        return self.path / "metrics.jsonl"

    @property
    def evaluations_file(self) -> pathlib.Path:
        """Evaluations with their protocol: one JSON object per line."""
        return self.path / "evaluations.jsonl"

    @property
    def tensorboard(self) -> pathlib.Path:
        """Folder of the TensorBoard events."""
        return self.path / "tensorboard"

    @property
    def samples(self) -> pathlib.Path:
        """Folder of the sample grids."""
        return self.path / "samples"

    @property
    def animation(self) -> pathlib.Path:
        """GIF of all sample grids in order."""
        return self.path / "training.gif"

    @property
    def interpolation(self) -> pathlib.Path:
        """Image of interpolations between seeds, and between captions."""
        return self.path / "interpolation.png"

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
            return Config(
                recipe=recipe,
                data=fields["data"],
                versions=fields["versions"],
                text_encoder=fields["text_encoder"],
                stage_one=fields["stage_one"],
            )
        except (ValueError, KeyError, TypeError) as error:
            name = str(self.config_file)
            raise UsageError(name, "must be the configuration of a run", repr(error)) from error

    def write_config(self, config: Config) -> None:
        """Writes config.json."""
        text = json.dumps(dataclasses.asdict(config), indent=1, ensure_ascii=False) + "\n"
        write_file(self.config_file, text.encode())

    def drop_metrics_after(self, step: int) -> None:
        """Removes the lines of metrics.jsonl after a step, at which the run resumes."""
        if not self.metrics_file.exists():
            return
        lines = self.metrics_file.read_bytes().splitlines(keepends=True)
        kept = [line for line in lines if line.endswith(b"\n") and json.loads(line)["step"] <= step]
        if len(kept) < len(lines):
            write_file(self.metrics_file, b"".join(kept))


def append_line(path: pathlib.Path, fields: Mapping[str, Any]) -> None:
    """Appends one JSON object to a file, in one write."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        file.write((json.dumps(fields, ensure_ascii=False) + "\n").encode())
