"""Both stages of StackGAN."""
