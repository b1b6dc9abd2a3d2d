"""From captioned images to a SavedModel that generates images of captions."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tfgan2.drawing import Model

__all__ = ["load"]


def load(path: str | os.PathLike) -> Model:
    """Loads a trained model that draws pictures.

    Args:
      path: a run directory, an export, or one version of an export.

    Raises:
      UsageError: there is no model at the path, or its files are damaged.
    """
    # Imported here, so that `import tfgan2` does not load TensorFlow.
    import tfgan2.program  # noqa: F401  Sets variables that TensorFlow reads when it loads.
    from tfgan2 import drawing

    return drawing.load(path)
