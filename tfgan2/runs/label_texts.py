"""Texts of labels, which a joint model writes instead of captions."""

from tfgan2.data import records
from tfgan2.program import UsageError
from tfgan2.runs import recipe as recipes


def label_texts(recipe: recipes.Recipe, manifest: records.Manifest) -> list[str] | None:
    """Returns by label the texts that a joint model writes; None for captions or other models.

    Raises:
      UsageError: the data set has no labels.
    """
    joint = recipes.system_class(recipe).reads == "texts"
    return written_texts(recipe.text_source, manifest) if joint else None


def written_texts(source: str, manifest: records.Manifest) -> list[str] | None:
    """Returns a text per label; None if the source is captions.

    Args:
      source: `caption`, `label` or `label_number`.
      manifest: manifest of the data set.

    Raises:
      UsageError: the data set has no labels.
    """
    if source == "caption":
        return None
    if not manifest.label_names:
        rule = "must be caption for a data set without labels"
        raise UsageError("--text_source", rule, source)
    if source == "label":
        return list(manifest.label_names)
    return [str(number) for number in range(len(manifest.label_names))]
