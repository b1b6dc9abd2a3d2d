"""From users' files to records, and from records to batches."""
