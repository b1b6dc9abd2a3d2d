"""The messages that a client speaks, without TensorFlow and without generated code."""
