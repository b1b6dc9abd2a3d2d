"""Asks TensorFlow Serving, or the embedded server, for pictures; needs no TensorFlow."""

import os
import sys

# As a program, whose errors are one line: gRPC's log would bury it, and is set as gRPC is imported.
if sys.argv[:1] == ["-m"]:  # What Python has there while it looks for the program that it runs.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")

from serving.client.aio import AsyncClient
from serving.client.connection import Tls
from serving.client.pictures import Picture
from serving.client.retry import Retry
from serving.client.sync import Client

__all__ = ["AsyncClient", "Client", "Picture", "Retry", "Tls"]
