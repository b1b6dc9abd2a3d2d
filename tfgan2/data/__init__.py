"""Reads users' files into records, and records into batches."""
