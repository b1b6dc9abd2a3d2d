"""Quality metrics of generated images, for arrays and for any sampler."""
