"""Text in files of users: its encoding. Both tfgan2 and serving decode text with this package."""
