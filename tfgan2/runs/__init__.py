"""Runs on disk: recipe, directory, checkpoints, loading."""
