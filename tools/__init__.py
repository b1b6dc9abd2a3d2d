"""Command-line programs, one task per file."""
