"""The server, with a thread that fails once the ports are open."""

import runpy
from collections.abc import Sequence

from serving.server.lifecycle.base_paths import BasePaths
from serving.server.lifecycle.model_config import ModelConfig

_read = BasePaths.read


def _read_once(self: BasePaths, models: Sequence[ModelConfig]) -> dict[str, dict[int, str]]:
    BasePaths.read = _fail
    return _read(self, models)


def _fail(self: BasePaths, models: Sequence[ModelConfig]) -> dict[str, dict[int, str]]:
    raise RuntimeError("no more reads")


if __name__ == "__main__":
    BasePaths.read = _read_once
    runpy.run_module("serving.server", run_name="__main__", alter_sys=True)
