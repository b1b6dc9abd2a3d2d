"""IMG-TXT, a joint generator of images and texts."""
