"""The embedded server: TensorFlow Serving's protocol and flags."""
