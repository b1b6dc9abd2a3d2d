"""Benchmarks of tools.benchmark: a file with a function `measure` for each `--what`."""

WHATS = ("pipeline", "train", "generate", "serve", "batch", "metrics")
