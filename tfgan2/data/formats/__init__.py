"""File formats of published data sets; the readers build plain data only."""
