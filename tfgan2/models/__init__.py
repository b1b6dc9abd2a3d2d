"""The players: a system a file, readable beside its paper."""
