"""docs/notebook.ipynb runs from its first to its last cell, and its outputs are stored."""

import io
import pathlib

import nbformat
import pytest
from nbclient import NotebookClient
from PIL import Image

NOTEBOOK = pathlib.Path(__file__).parents[1] / "docs" / "notebook.ipynb"


@pytest.fixture(scope="module")
def executed(
    export_dir: pathlib.Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[nbformat.NotebookNode, pathlib.Path]:
    """The notebook, run with the tiny export; and the folder with its files."""
    folder = tmp_path_factory.mktemp("notebook")
    (folder / "docs").mkdir()
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    resources = {"metadata": {"path": str(folder / "docs")}}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TFGAN2_MODEL", str(export_dir))
        patch.setenv("JUPYTER_RUNTIME_DIR", str(folder / "jupyter"))
        patch.setenv("IPYTHONDIR", str(folder / "ipython"))
        NotebookClient(notebook, timeout=300, resources=resources).execute()
    return notebook, folder


def code_cells(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def kinds_of_outputs(cell: nbformat.NotebookNode) -> list[tuple[str, list[str]]]:
    return [(output.output_type, sorted(output.get("data", {}))) for output in cell.outputs]


def test_stored_outputs_are_those_of_the_cells(
    executed: tuple[nbformat.NotebookNode, pathlib.Path],
) -> None:
    stored = nbformat.read(NOTEBOOK, as_version=4)
    for old, new in zip(code_cells(stored), code_cells(executed[0]), strict=True):
        assert kinds_of_outputs(old) == kinds_of_outputs(new)
        assert old.execution_count == new.execution_count
    assert NOTEBOOK.stat().st_size < 200_000


def test_pictures_are_shown_and_saved(
    executed: tuple[nbformat.NotebookNode, pathlib.Path],
) -> None:
    notebook, folder = executed
    shown = [output for cell in code_cells(notebook) for output in cell.outputs if "data" in output]
    assert sum("image/png" in output.data for output in shown) == 4
    sizes = {}
    for path in (folder / "pictures").iterdir():
        with Image.open(io.BytesIO(path.read_bytes())) as file:
            sizes[path.name] = file.size
    assert sizes == {"seven.png": (32, 32), "digits.png": (5 * 32, 2 * 32)}
