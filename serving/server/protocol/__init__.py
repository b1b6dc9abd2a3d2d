"""The gRPC and REST interfaces of TensorFlow Serving."""
