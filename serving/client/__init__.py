"""Client of TensorFlow Serving and of the embedded server, for pictures; needs no TensorFlow."""

import os
import sys

# As a program, errors are one line and gRPC's log would hide it. gRPC reads the variable at import.
if sys.argv[:1] == ["-m"]:  # The value of argv[0] while `python -m` imports the package.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")

from serving.client.aio import AsyncClient
from serving.client.connection import Tls
from serving.client.pictures import Picture, Pictures
from serving.client.retry import Retry
from serving.client.sync import Client

__all__ = ["AsyncClient", "Client", "Picture", "Pictures", "Retry", "Tls"]
