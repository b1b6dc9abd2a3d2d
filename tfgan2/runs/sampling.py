"""Loads samplers and matching models from runs on disk."""

from tfgan2.adversarial.multi_update import MultiUpdateModel
from tfgan2.adversarial.sampler import AnySampler
from tfgan2.models.matching.matcher import Matcher
from tfgan2.program import UsageError
from tfgan2.runs import recipe as recipes
from tfgan2.runs.checkpoint import Checkpoints
from tfgan2.runs.directory import Config, RunDirectory
from tfgan2.text import encoders
from tfgan2.text.options import CHARACTER_ENCODERS
from tfgan2.text.tokenizers import Tokenizer


def make_tokenizer(
    run: RunDirectory, recipe: recipes.Recipe, *, for_training: bool = False
) -> Tokenizer | None:
    """Builds the tokenizer of a run; None for a system without captions or texts.

    Raises:
      UsageError: the vocabulary of the run is missing or damaged.
    """
    if recipes.system_class(recipe).reads is None:
        return None
    options = recipes.text_options(recipe)
    if options.text_encoder_kind not in CHARACTER_ENCODERS:
        run.check_vocabulary()
    return encoders.make_tokenizer(options, run.vocabulary_file, for_training=for_training)


def load_sampler(
    run: RunDirectory, *, checkpoint: str = "latest", flag: str = "--run_dir"
) -> tuple[AnySampler, Config, str]:
    """Builds the float32 sampler of a run from a checkpoint.

    Args:
      run: the run.
      checkpoint: `latest`, or `best`: the best by the run's own evaluations.
      flag: flag or argument that names the run, for error messages.

    Returns:
      The sampler, the run's configuration, and the path of the checkpoint.

    Raises:
      UsageError: the run is a matching model, which has no sampler, or has no checkpoint.
    """
    config = run.read_config()
    if config.recipe.model in recipes.MATCHING_MODELS:
        raise UsageError(flag, "must be a run of a system that draws", config.recipe.model)
    tokenizer = make_tokenizer(run, config.recipe)
    gan, path = load_model(run, config, tokenizer, checkpoint=checkpoint, flag=flag)
    return gan.sampler(tokenizer, truncation=config.recipe.truncation), config, path


def load_matcher(run: RunDirectory, *, flag: str) -> tuple[Matcher, Config]:
    """Builds a float32 matching model from the newest checkpoint of its run.

    Args:
      run: the run.
      flag: flag that names the run, for error messages.

    Returns:
      The matching model and the run's configuration.

    Raises:
      UsageError: the run is no matching model, has only a text encoder, or has no checkpoint.
    """
    config = run.read_config()
    if config.recipe.model not in recipes.MATCHING_MODELS:
        raise UsageError(flag, "must be a run of a matching model", config.recipe.model)
    if config.data["checksum"] is None:
        raise UsageError(flag, "must be a whole matching model", "an imported text encoder")
    tokenizer = make_tokenizer(run, config.recipe)
    assert tokenizer is not None  # The system reads captions.
    gan, _ = load_model(run, config, tokenizer, checkpoint="latest", flag=flag)
    return Matcher(gan, tokenizer), config


def load_model(
    run: RunDirectory,
    config: Config,
    tokenizer: Tokenizer | None,
    *,
    checkpoint: str,
    flag: str = "--run_dir",
) -> tuple[MultiUpdateModel, str]:
    """Builds the float32 model of a run from a checkpoint.

    Args:
      run: the run.
      config: configuration of the run.
      tokenizer: tokenizer of the run; None for a system without captions.
      checkpoint: `latest` or `best`.
      flag: flag that names the run, for error messages.

    Returns:
      The model and the path of the checkpoint.

    Raises:
      UsageError: the run has no such checkpoint.
    """
    gan = recipes.build_model(
        config.recipe,
        image_channels=config.data["channels"],
        vocabulary_size=0 if tokenizer is None else tokenizer.vocabulary_size,
        dtype="float32",
    )
    folder = run.best_checkpoint if checkpoint == "best" else run.checkpoints
    return gan, Checkpoints(gan, folder, keep=1).restore_for_sampling(flag=flag)
