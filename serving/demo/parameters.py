"""Parses and checks the parameters of pictures, from untrusted URLs and request bodies."""

import dataclasses
import math
import re
import secrets
from typing import Any

from serving.client.picture_request import FRESH_SEEDS, MODEL_DEFAULT

_WHOLE = re.compile(r"-?[0-9]{1,19}")
_DECIMAL = re.compile(r"[0-9]{0,9}\.?[0-9]{1,18}(?:[eE]-?[0-9]{1,3})?")
_SEEDS = range(-(2**63), 2**63)


class ParameterError(Exception):
    """A parameter breaks a rule; the message names the rule and the received value."""


@dataclasses.dataclass(frozen=True)
class PictureParameters:
    """All parameters that determine a picture of one model version.

    Attributes:
      caption: caption to draw; None for an unconditional model, empty for a joint model that
        writes its own.
      seed: seed of the latent, int64.
      truncation: truncation of the latent, up to 1; 0 is the model's default.
      towards: second caption, to interpolate to; None for no interpolation.
      share: interpolation weight of the second caption, 0 to 1.
    """

    caption: str | None
    seed: int
    truncation: float = MODEL_DEFAULT
    towards: str | None = None
    share: float = 0.0


def caption(text: Any, *, name: str = "caption", longest: int) -> str:
    """Returns a caption without white space around it.

    Args:
      text: the received value.
      name: name of the parameter in error messages.
      longest: most characters.

    Raises:
      ParameterError: the value is not text, is blank, too long, or has single surrogates.
    """
    if not isinstance(text, str) or not text.strip():
        raise ParameterError(f"{name}: must be text that is not blank, got {shown(text)}")
    text = text.strip()
    if len(text) > longest:
        raise ParameterError(f"{name}: must be at most {longest} characters, got {len(text)}")
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise ParameterError(f"{name}: must be text that UTF-8 can hold, got half a character")
    return text


def seed(value: Any) -> int:
    """Returns the received seed, or a random one if the value is None.

    Raises:
      ParameterError: the value is not an int64.
    """
    if value is None:
        return secrets.randbelow(FRESH_SEEDS)
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if isinstance(text, str) and _WHOLE.fullmatch(text) and int(text) in _SEEDS:
        return int(text)
    raise ParameterError(f"seed: must be a whole number from -2^63 to 2^63-1, got {shown(value)}")


def consecutive_seeds(first: int, count: int) -> list[int]:
    """Returns consecutive int64 seeds; after the largest follows the smallest."""
    return [(first + step + 2**63) % 2**64 - 2**63 for step in range(count)]


def truncation(value: Any) -> float:
    """Returns the received truncation, or 0 (the model's default) if the value is None.

    Raises:
      ParameterError: the value is not a number from 0 to 1.
    """
    return MODEL_DEFAULT if value is None else fraction(value, name="truncation")


def fraction(value: Any, *, name: str) -> float:
    """Returns the received number from 0 to 1.

    Raises:
      ParameterError: the value is something else.
    """
    text = str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value
    if isinstance(text, str) and _DECIMAL.fullmatch(text):
        number = float(text)
        if math.isfinite(number) and 0 <= number <= 1:
            return number
    raise ParameterError(f"{name}: must be a number from 0 to 1, got {shown(value)}")


def shown(value: Any) -> str:
    """A value for error messages: at most 60 characters, "none" for None."""
    text = "none" if value is None else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
