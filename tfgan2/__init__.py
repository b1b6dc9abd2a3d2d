"""From captioned images to a SavedModel that draws a caption."""
