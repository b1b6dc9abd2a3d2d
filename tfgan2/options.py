"""Options: fields of frozen dataclasses that are also flags. This module imports no TensorFlow."""

import dataclasses
from typing import Any


def option(
    default: Any,
    text: str,
    *,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] | None = None,
    since: str = "0.1.0",
) -> Any:
    """Declares a field that is also a flag.

    Args:
      default: default of the field and the flag.
      text: help text of the flag.
      low: smallest value, for numbers.
      high: largest value, for numbers.
      choices: allowed values, for strings.
      since: first version of tfgan2 that has the field.
    """
    rules = {"help": text, "low": low, "high": high, "choices": choices, "since": since}
    return dataclasses.field(default=default, metadata=rules)


@dataclasses.dataclass(frozen=True)
class Options:
    """Base of all options; in the help, a subclass's docstring up to the colon heads its flags."""

    def check(self) -> None:
        """Checks the rules that the flags do not check; a subclass extends this method.

        Raises:
          UsageError: an option or a combination of options is not allowed.
        """
