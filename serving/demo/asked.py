"""What a picture is asked by, read from addresses and bodies that anybody may have written."""

import dataclasses
import math
import re
import secrets
from collections.abc import Mapping
from typing import Any

FRESH_SEEDS = 2**31
MODEL_DEFAULT = 0.0
_WHOLE = re.compile(r"-?[0-9]{1,19}")
_DECIMAL = re.compile(r"[0-9]{0,9}\.?[0-9]{1,18}(?:[eE]-?[0-9]{1,3})?")
_SEEDS = range(-(2**63), 2**63)


class AskingError(Exception):
    """What was sent breaks a rule, which is named with what was sent."""


@dataclasses.dataclass(frozen=True)
class Asked:
    """What a picture is a function of, for one version of a model.

    Attributes:
      caption: what to draw; None for a model without captions, empty for one that writes its own.
      seed: int64.
      truncation: of the latent, up to 1; 0 is the model's.
      towards: another caption, that the first is mixed with; None for none.
      share: of the other caption, 0 to 1.
    """

    caption: str | None
    seed: int
    truncation: float = MODEL_DEFAULT
    towards: str | None = None
    share: float = 0.0


def caption(text: Any, *, name: str = "caption", longest: int) -> str:
    """A caption without white space around it.

    Args:
      text: as it was sent.
      name: told with the rule that is broken.
      longest: most characters.

    Raises:
      AskingError: it is not text, blank, or too long.
    """
    if not isinstance(text, str) or not text.strip():
        raise AskingError(f"{name}: must be text that is not blank, got {shown(text)}")
    text = text.strip()
    if len(text) > longest:
        raise AskingError(f"{name}: must be at most {longest} characters, got {len(text)}")
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise AskingError(f"{name}: must be text that UTF-8 can hold, got half a character")
    return text


def seed(value: Any) -> int:
    """A seed, or a fresh one where none was sent.

    Raises:
      AskingError: it is not an int64.
    """
    if value is None:
        return secrets.randbelow(FRESH_SEEDS)
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if isinstance(text, str) and _WHOLE.fullmatch(text) and int(text) in _SEEDS:
        return int(text)
    raise AskingError(f"seed: must be a whole number from -2^63 to 2^63-1, got {shown(value)}")


def following(first: int, count: int) -> list[int]:
    """Seeds from the first on; beyond the largest comes the smallest."""
    return [(first + step + 2**63) % 2**64 - 2**63 for step in range(count)]


def truncation(value: Any) -> float:
    """A truncation, or the model's where none was sent.

    Raises:
      AskingError: it is not from 0 to 1.
    """
    return MODEL_DEFAULT if value is None else _part("truncation", value)


def share(value: Any) -> float:
    """How much of the other caption.

    Raises:
      AskingError: it is not from 0 to 1.
    """
    return _part("share", value)


def _part(name: str, value: Any) -> float:
    text = str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value
    if isinstance(text, str) and _DECIMAL.fullmatch(text):
        number = float(text)
        if math.isfinite(number) and 0 <= number <= 1:
            return number
    raise AskingError(f"{name}: must be a number from 0 to 1, got {shown(value)}")


def fields(body: Any) -> Mapping[str, Any]:
    """What a body in JSON holds.

    Raises:
      AskingError: it is not an object.
    """
    if not isinstance(body, dict):
        raise AskingError(f"body: must be a JSON object, got {shown(body)}")
    return body


def shown(value: Any) -> str:
    """A value as a message tells it."""
    text = "none" if value is None else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
