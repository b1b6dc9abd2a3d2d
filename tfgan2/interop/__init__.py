"""Published weights of other frameworks, in."""
