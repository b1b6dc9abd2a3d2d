"""Protobuf messages of the client, without TensorFlow and without generated code."""
