"""The fields of an export's model card that the page shows."""

import dataclasses
import json
import pathlib
from collections.abc import Mapping
from typing import Any


@dataclasses.dataclass(frozen=True)
class Card:
    """Facts about a model; None for a fact that the model card does not have.

    Attributes:
      model: name of the GAN system.
      image_size: height and width of the pictures, in px.
      source: the training data.
      licence: licence of the training data.
      example_captions: captions that the page suggests, without duplicates.
    """

    model: str | None = None
    image_size: int | None = None
    source: str | None = None
    licence: str | None = None
    example_captions: tuple[str, ...] = ()


def read(path: pathlib.Path) -> Card:
    """Reads model_card.json.

    Raises:
      ValueError: the file cannot be read, or a field has a wrong type.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"must be a file that can be read, got {path}") from error
    except (ValueError, RecursionError) as error:
        raise ValueError(f"must be a JSON file, got {path} ({error})") from error
    if not isinstance(content, dict):
        raise ValueError(f"must hold a JSON object, got {type(content).__name__} in {path}")
    trained_on = _field(content, "trained_on", dict) or {}
    captions = _field(content, "example_captions", list) or []
    if not all(isinstance(caption, str) for caption in captions):
        raise ValueError(f"example_captions must be texts, got others in {path}")
    return Card(
        model=_field(content, "model", str),
        image_size=_field(content, "image_size", int),
        source=_field(trained_on, "source", str),
        licence=_field(trained_on, "licence", str),
        example_captions=tuple(dict.fromkeys(one for one in captions if one.strip())),
    )


def _field(content: Mapping[str, Any], name: str, kind: type) -> Any:
    value = content.get(name)
    if value is not None and not isinstance(value, kind):
        raise ValueError(f"{name} must be {kind.__name__}, got {type(value).__name__}")
    return value
