"""Loads, replaces and unloads model versions."""
