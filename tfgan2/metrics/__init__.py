"""How good pictures are, of arrays and of any sampler."""
