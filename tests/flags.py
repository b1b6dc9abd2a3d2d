"""A recipe or a schedule as command-line flags."""

import dataclasses


def of(settings: object) -> list[str]:
    """A flag for every field, as a user would type it."""
    fields = dataclasses.asdict(settings)  # type: ignore[call-overload]
    return [f"--{name}={value}" for name, value in fields.items()]
