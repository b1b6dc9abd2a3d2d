"""Runs as one HTML page: what is read, drawn and written."""
