"""Loads a run whose networks another run of the same system starts with."""

import dataclasses
import hashlib
import os
from collections.abc import Iterable
from typing import Any

import tensorflow as tf
import tf_keras as keras

from tfgan2.adversarial.multi_update import MultiUpdateModel
from tfgan2.optimizers.options import OptimizerOptions
from tfgan2.program import UsageError
from tfgan2.runs import recipe as recipes
from tfgan2.runs.directory import Config, RunDirectory
from tfgan2.runs.sampling import load_model, make_tokenizer
from tfgan2.text.tokenizers import WordTokenizer

FLAG = "--init_from"
# Path of the variable whose rows belong to the ids of the vocabulary.
WORD_ROWS = "word_embedding/embeddings"
# Options that define no network; all other options are named if shapes differ.
WITHOUT_NETWORKS = {"seed", *(field.name for field in dataclasses.fields(OptimizerOptions))}


@dataclasses.dataclass(frozen=True)
class SourceRun:
    """A trained or imported run, with which a new run of the same system starts.

    Attributes:
      run: the run.
      config: configuration of the run.
      model: the float32 model, with the weights of the newest checkpoint.
      words: vocabulary in the order of the ids from 1 on; empty without words.
    """

    run: RunDirectory
    config: Config
    model: MultiUpdateModel
    words: list[str]

    @property
    def description(self) -> dict[str, Any]:
        """Entry in config.json: path, step, images trained on, SHA-256 of the weights, data set."""
        weights = b"".join(value.tobytes() for value in self.model.get_weights())
        step, earlier = int(self.model.step.numpy()), self.config.init_from or {"images": 0}
        data = self.config.data
        return {
            "run": str(self.run.path),
            "step": step,
            "images": step * self.config.recipe.batch_size + earlier["images"],
            "checksum": hashlib.sha256(weights).hexdigest(),
            "data": {name: data[name] for name in ("source", "checksum", "licence")},
        }

    def new_words(self, words: Iterable[str]) -> list[str]:
        """The words that the vocabulary lacks, in their order."""
        known = set(self.words)
        return [word for word in words if word not in known]

    def check(
        self, recipe: recipes.Recipe, *, image_channels: int, words: list[str] | None
    ) -> None:
        """Checks that a new run has the same networks; only word embeddings may have more rows.

        Args:
          recipe: recipe of the new run.
          image_channels: 1 or 3.
          words: vocabulary of the new run; None: no words.

        Raises:
          UsageError: the channels, the words of a joint model, or the shape of a variable differ.
        """
        if image_channels != self.config.data["channels"]:
            rule = f"must have images of {self.config.data['channels']} channels, as {FLAG} has"
            raise UsageError("--data_dir", rule, image_channels)
        new_words = self.new_words(words or [])
        if new_words and self.model.reads == "texts":
            rule = f"must have only words of {FLAG}, which the networks of {recipe.model} write"
            raise UsageError("--data_dir", rule, ", ".join(new_words)[:100])
        model = recipes.build_model(
            recipe,
            image_channels=image_channels,
            vocabulary_size=len(words or []) + 1,
            dtype="float32",
        )
        theirs = networks(self.model)
        for name, network in networks(model).items():
            own, others = _shapes(network), _shapes(theirs[name]) if name in theirs else {}
            for path in own | others:
                one, other = own.get(path), others.get(path)
                grows = path == WORD_ROWS and one and other and one[1:] == other[1:]
                if one != other and not grows:
                    here, there = one or "absent", other or "absent"
                    self._refuse(recipe, f"{name}: {path} is {there} there and {here} here")

    def copy_to(self, model: MultiUpdateModel) -> None:
        """Copies all networks and averages; rows of new words keep their values.

        Args:
          model: model that `check` has accepted.
        """
        theirs, done = networks(self.model), set[int]()
        # A frozen text encoder is its own average: the name of the average comes first.
        for name, network in sorted(networks(model).items()):
            if id(network) in done:
                continue
            done.add(id(network))
            values = variables(theirs[name])
            for path, variable in variables(network).items():
                value = values[path]
                if path == WORD_ROWS:
                    value = tf.concat([value, variable[value.shape[0] :]], axis=0)
                variable.assign(value)

    def _refuse(self, recipe: recipes.Recipe, difference: str) -> None:
        """Raises the error of a variable that differs, with the options that differ."""
        theirs = self.config.recipe
        names = set(recipes.option_names(recipe.model)) - WITHOUT_NETWORKS
        options = [
            f"--{name}={getattr(theirs, name)}"
            for name in recipe.differences(theirs)
            if name in names
        ]
        given = f" (options there: {' '.join(options)})" if options else ""
        raise UsageError(FLAG, f"must have networks of the same shapes{given}", difference)


def load_source(run_dir: str | os.PathLike, recipe: recipes.Recipe) -> SourceRun:
    """Loads the networks of a run from its newest checkpoint.

    Args:
      run_dir: run directory, also one of imported weights.
      recipe: recipe of the new run.

    Raises:
      UsageError: the run does not exist, has no checkpoint, is of another system, or has only a
        text encoder.
    """
    run = RunDirectory.existing(run_dir, flag=FLAG)
    config = run.read_config()
    if config.recipe.model != recipe.model:
        raise UsageError(FLAG, f"must be a run of {recipe.model}", config.recipe.model)
    if recipe.model in recipes.MATCHING_MODELS and config.data["checksum"] is None:
        raise UsageError(FLAG, "must be a whole matching model", "an imported text encoder")
    tokenizer = make_tokenizer(run, config.recipe)
    model, _ = load_model(run, config, tokenizer, checkpoint="latest", flag=FLAG)
    words = tokenizer.words if isinstance(tokenizer, WordTokenizer) else []
    return SourceRun(run=run, config=config, model=model, words=words)


def networks(model: MultiUpdateModel) -> dict[str, keras.Model]:
    """Networks of a model by the name of their attribute."""
    return {name: it for name, it in vars(model).items() if isinstance(it, keras.Model)}


def _shapes(network: keras.Model) -> dict[str, list[int]]:
    return {path: it.shape.as_list() for path, it in variables(network).items()}


def variables(network: keras.Model) -> dict[str, tf.Variable]:
    """Variables by their path; Keras's own order depends on which layers are frozen."""
    found: dict[str, tf.Variable] = {}
    seen = {id(network)}
    open_paths: list[tuple[str, Any]] = [("", network)]
    while open_paths:
        path, parent = open_paths.pop(0)
        for name, child in tf.train.TrackableView.children(parent).items():
            if id(child) in seen:
                continue
            seen.add(id(child))
            if isinstance(child, tf.Variable):
                found[f"{path}{name}"] = child
            else:
                open_paths.append((f"{path}{name}/", child))
    return found
