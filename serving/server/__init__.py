"""The embedded server: speaks TensorFlow Serving's gRPC protocol and takes its flags."""
