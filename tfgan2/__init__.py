"""From captioned images to a SavedModel that generates images of captions."""
