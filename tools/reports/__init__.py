"""Reports of runs as one HTML page: reading, charts, page."""
