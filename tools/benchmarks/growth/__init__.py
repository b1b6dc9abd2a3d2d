"""Growth of time and memory with the amount of work, as straight lines fitted to measurements."""
