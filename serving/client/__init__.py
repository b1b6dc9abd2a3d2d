"""Client of TensorFlow Serving and of the embedded server, for pictures; needs no TensorFlow."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from serving.client.aio import AsyncClient
    from serving.client.connection import Tls
    from serving.client.pictures import Picture, Pictures
    from serving.client.retry import Retry
    from serving.client.sync import Client

__all__ = ["AsyncClient", "Client", "Picture", "Pictures", "Retry", "Tls"]
_MODULES = {
    "AsyncClient": "aio",
    "Client": "sync",
    "Picture": "pictures",
    "Pictures": "pictures",
    "Retry": "retry",
    "Tls": "connection",
}


def __getattr__(name: str) -> Any:
    """Imports a public name at its first use: the help of the program needs no package."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
