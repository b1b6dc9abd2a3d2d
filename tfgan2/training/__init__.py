"""Trains a run from a recipe and a data set."""
