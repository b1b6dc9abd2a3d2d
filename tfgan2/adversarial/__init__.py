"""The game, whoever plays it: updates, losses, penalties, randomness, sampling."""
