"""How time and memory grow with the work, as straight lines through what was measured."""
