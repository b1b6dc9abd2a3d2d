"""Models that score image and caption: DAMSM and SJE."""
