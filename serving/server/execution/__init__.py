"""Runs requests on a loaded version, separately or in batches."""
