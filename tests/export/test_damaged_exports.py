"""A damaged version is refused in one line, and the server goes on with the other versions."""

import json
import pathlib
import shutil
from collections.abc import Callable

import pytest
import tensorflow as tf

import tfgan2
from serving.server.execution.servable import Servable
from tfgan2.export.saved_model import CARD_NAME
from tfgan2.program import UsageError
from tools import samplers


def cut(path: pathlib.Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


DAMAGES: dict[str, Callable[[pathlib.Path], None]] = {
    "weights_cut": lambda version: cut(next(version.glob("variables/*.data-*"))),
    "weights_missing": lambda version: next(version.glob("variables/*.data-*")).unlink(),
    "index_cut": lambda version: cut(version / "variables/variables.index"),
    "graph_cut": lambda version: cut(version / "saved_model.pb"),
}


@pytest.fixture
def version(export_dir: pathlib.Path, tmp_path: pathlib.Path) -> pathlib.Path:
    """A copy of the export's only version, to damage."""
    return shutil.copytree(export_dir, tmp_path / "export") / "1"


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_version_is_one_error(damage: str, version: pathlib.Path) -> None:
    DAMAGES[damage](version)
    for load in (tfgan2.load, samplers.exported):
        with pytest.raises(UsageError, match=r"1: must be a version as tools\.export") as error:
            load(str(version))
        assert "\n" not in str(error.value)
    # The manager of the server keeps the other versions after any exception.
    with pytest.raises((OSError, RuntimeError, tf.errors.OpError)):
        Servable(str(version), name="tiny", version=1).close()


@pytest.mark.parametrize("content", [b"\xff", b"", b"[]", b"{}", None])
def test_damaged_card_is_one_error_of_evaluation(
    content: bytes | None, version: pathlib.Path
) -> None:
    card = version / CARD_NAME
    fields = json.loads(card.read_text())
    card.write_bytes(json.dumps(dict.fromkeys(fields)).encode() if content is None else content)
    with pytest.raises(UsageError, match=r"1: must be a version as tools\.export"):
        samplers.exported(str(version))
    assert tfgan2.load(version).reads == "captions"  # Drawing needs no card.
