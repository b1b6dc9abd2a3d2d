"""Programs, one verb a file."""
