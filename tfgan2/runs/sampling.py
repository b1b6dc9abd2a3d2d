"""From a run on disk to what draws its pictures."""

from tfgan2.adversarial.sampler import Sampler
from tfgan2.runs import recipe as recipes
from tfgan2.runs.checkpoint import Checkpoints
from tfgan2.runs.directory import Config, RunDirectory
from tfgan2.text.tokenizers import WordTokenizer

CHECKPOINTS = ("latest", "best")


def make_tokenizer(run: RunDirectory, recipe: recipes.Recipe) -> WordTokenizer:
    """Builds the tokenizer of a run."""
    return WordTokenizer(run.vocabulary_file, max_words=recipe.max_words)


def load_sampler(run: RunDirectory, *, checkpoint: str = "latest") -> tuple[Sampler, Config, str]:
    """Builds what samples, in float32, from a checkpoint.

    Args:
      run: the run.
      checkpoint: `latest`, or `best` by its own evaluations.

    Returns:
      The sampler, the run's configuration, and the path of the checkpoint.

    Raises:
      UsageError: the run has no checkpoint.
    """
    config = run.read_config()
    tokenizer = make_tokenizer(run, config.recipe)
    gan = recipes.build_model(
        config.recipe,
        image_channels=config.data["channels"],
        vocabulary_size=tokenizer.vocabulary_size,
        dtype="float32",
    )
    folder = run.best_checkpoint if checkpoint == "best" else run.checkpoints
    path = Checkpoints(gan, folder, keep=1).restore_for_sampling()
    return gan.sampler(tokenizer, truncation=config.recipe.truncation), config, path
