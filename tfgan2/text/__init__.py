"""From caption strings to features."""
