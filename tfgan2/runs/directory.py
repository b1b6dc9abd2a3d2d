"""What a run is on disk; nothing in it is ever half-written."""

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
    """What config.json says.

    Attributes:
      recipe: what defines the run, its precision resolved.
      data: source, licence, checksum, channels and some captions of the data set.
      versions: of the packages that the run began with.
      text_encoder: run and checksum of the text encoder that it began with; None if it was new.
      stage_one: run of the generator that StackGAN's stage two began with; None for others.
    """

    recipe: recipes.Recipe
    data: Mapping[str, Any]
    versions: Mapping[str, str]
    text_encoder: Mapping[str, str] | None
    stage_one: str | None = None


@dataclasses.dataclass(frozen=True)
class RunDirectory:
    """Names of all files of a run."""

    path: pathlib.Path

    @classmethod
    def at(cls, path: str | os.PathLike) -> "RunDirectory":
        """The run directory of that name, whether it is there yet or not.

        Raises:
          UsageError: something else is there.
        """
        run = cls(pathlib.Path(path))
        if run.path.exists() and not run.path.is_dir():
            raise UsageError("--run_dir", "must be a directory or absent", path)
        if run.path.is_dir() and not run.config_file.exists() and any(run.path.iterdir()):
            raise UsageError("--run_dir", f"must be empty, absent or hold {CONFIG_NAME}", path)
        return run

    @classmethod
    def existing(cls, path: str | os.PathLike, *, flag: str = "--run_dir") -> "RunDirectory":
        """The run directory of that name.

        Args:
          path: of the directory.
          flag: that names it, for errors.

        Raises:
          UsageError: there is no run.
        """
        run = cls(pathlib.Path(path))
        if not run.config_file.is_file():
            raise UsageError(flag, f"must be a run, with a {CONFIG_NAME}", path)
        return run

    @property
    def config_file(self) -> pathlib.Path:
        """The whole recipe, versions, data checksum."""
        return self.path / CONFIG_NAME

    @property
    def checkpoints(self) -> pathlib.Path:
        """Folder of the checkpoints and of what they need to be read."""
        return self.path / "checkpoints"

    @property
    def best_checkpoint(self) -> pathlib.Path:
        """Folder of the checkpoint of the best evaluation."""
        return self.checkpoints / "best"

    @property
    def vocabulary_file(self) -> pathlib.Path:
        """A word a line; it travels with the checkpoints, which are nothing without it."""
        return self.checkpoints / "vocabulary.txt"

    @property
    def metrics_file(self) -> pathlib.Path:
        """Losses over time: a JSON object a line."""
        return self.path / "metrics.jsonl"

    @property
    def evaluations_file(self) -> pathlib.Path:
        """Evaluations with their protocol: a JSON object a line."""
        return self.path / "evaluations.jsonl"

    @property
    def tensorboard(self) -> pathlib.Path:
        """Folder of TensorBoard's events."""
        return self.path / "tensorboard"

    @property
    def samples(self) -> pathlib.Path:
        """Folder of the sample sheets."""
        return self.path / "samples"

    @property
    def animation(self) -> pathlib.Path:
        """All sample sheets, one after the other."""
        return self.path / "training.gif"

    @property
    def interpolation(self) -> pathlib.Path:
        """What is drawn between seeds, and between captions."""
        return self.path / "interpolation.png"

    def sample_sheet(self, step: int) -> pathlib.Path:
        """The sample sheet of a step."""
        return self.samples / f"step_{step:08d}.png"

    def sample_texts(self, step: int) -> pathlib.Path:
        """What a joint model wrote on the sheet of a step: a seed and a text a line."""
        return self.sample_sheet(step).with_suffix(".txt")

    def read_config(self) -> Config:
        """Reads config.json.

        Raises:
          UsageError: it is not that of a run.
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
        """Removes the lines of metrics.jsonl beyond a step, from which the run goes on."""
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
