"""A recipe or a schedule as command-line flags."""

import dataclasses


def of(settings: object) -> list[str]:
    """One flag per field, as a user types it."""
    fields = dataclasses.asdict(settings)  # type: ignore[call-overload]
    return [f"--{name}={value}" for name, value in fields.items()]
