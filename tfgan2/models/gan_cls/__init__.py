"""GAN-CLS and GAN-INT."""
