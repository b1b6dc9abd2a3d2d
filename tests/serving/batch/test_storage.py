"""Files of a job on this machine."""

import os
import pathlib

import pytest

from serving.batch import storage


@pytest.fixture
def folder(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    for name in ("a.txt", "b.txt", ".hidden.txt", "c.csv", "texts/a.txt", "texts/more/d.txt"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("a.txt", ["a.txt"]),
        ("*.txt", [".hidden.txt", "a.txt", "b.txt"]),
        ("[ab].txt", ["a.txt", "b.txt"]),
        ("?.csv", ["c.csv"]),
        ("texts/", ["texts/a.txt"]),
        ("*/a.txt", ["texts/a.txt"]),
        ("texts/**.txt", ["texts/a.txt", "texts/more/d.txt"]),
        ("texts", []),
        ("none*", []),
        ("none/*", []),
    ],
)
def test_a_pattern_finds_files_in_the_folders_that_it_names(
    pattern: str, names: list[str], folder: pathlib.Path
) -> None:
    assert storage.match(pattern) == names
    assert storage.match(f"{folder}/{pattern}") == [f"{folder}/{name}" for name in names]


def test_a_pattern_does_not_read_the_folders_below(
    folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, scan = [], os.scandir

    def logged_scan(path: object) -> object:
        read.append(os.path.abspath(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", logged_scan)
    assert storage.match(f"{folder}/none*") == []
    assert str(folder / "texts") not in read


@pytest.mark.parametrize("name", ["[ab].txt", "a*.txt", "what?.txt"])
def test_a_path_that_exists_is_no_pattern(name: str, folder: pathlib.Path) -> None:
    (folder / name).touch()
    assert storage.match(name) == [name]
    assert storage.match(f"{folder}/{name}") == [f"{folder}/{name}"]
