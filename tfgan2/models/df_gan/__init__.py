"""DF-GAN, and IMAGAN's generator."""
