"""Exports a sampler as a SavedModel for TensorFlow Serving."""
