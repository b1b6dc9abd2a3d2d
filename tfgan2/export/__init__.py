"""From a sampler to a SavedModel that TensorFlow Serving answers with."""
