"""Adversarial training, for any networks: updates, losses, penalties, noise, sampling."""
