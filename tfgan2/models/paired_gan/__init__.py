"""The paired GAN: a system for small data sets with about one image per caption."""
