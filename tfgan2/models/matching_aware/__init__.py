"""Training with mismatched captions, the base of three systems."""
