"""Every file of a folder is accepted, read for captions, rejected by name, or skipped."""

import collections
import io
import json
import os
import pathlib
import tarfile
import tempfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.data.sources.conftest import Read, captions, jpeg, jsonl, keys, png, reasons, write
from tfgan2.data import preparing, records, sources
from tfgan2.data.sources import file_counts, tree
from tfgan2.program import UsageError


def by_class(collection: sources.Collection) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {kind: [] for kind in file_counts.CLASSES}
    for key, kind in collection.files.items():
        found[kind].append(key)
    return found


def test_every_file_is_of_one_class(tmp_path: pathlib.Path, read: Read) -> None:
    write(
        tmp_path,
        {
            "a.png": png(),
            "a.txt": "red\n\xff\n",
            "b.jfif": jpeg(),
            "c.png": png(),
            "captions.csv": "file_name,caption\nb.jfif,blue\ngone.png,x\n",
            "d/captions.csv": "file_name,caption\ngone.png,x\n",
            "orphan.txt": "a caption without an image",
            "photo.HEIC": b"...",
            "drawing.tga": b"...",
            "README.md": "text",
            "readme.txt": "text",
            "stats.json": "{}",
            "._a.png": png(),
            ".DS_Store": b"",
            "__MACOSX/a.png": png(),
            "d/.ipynb_checkpoints/a-checkpoint.png": png(),
            "d/Thumbs.db": b"",
        },
    )
    collection = read("folder", test_fraction=0.0)
    assert by_class(collection) == {
        "accepted": ["a.png", "b.jfif"],
        "read": ["a.txt", "captions.csv"],
        "rejected": ["c.png", "d/captions.csv", "drawing.tga", "orphan.txt", "photo.HEIC"],
        "skipped": [
            *("README.md", "readme.txt", "stats.json", ".DS_Store", "._a.png", "__MACOSX/a.png"),
            *("d/.ipynb_checkpoints/a-checkpoint.png", "d/Thumbs.db"),
        ],
    }
    assert reasons(collection) == {
        "c.png": "image has no caption",
        "gone.png": "d/captions.csv names an image that is not there",
        "orphan.txt": "text has no image beside it",
        "photo.HEIC": "image is of a format that is not read",
        "drawing.tga": "image is of a format that is not read",
    }
    skipped = "skipped: 1 x .md, 1 x .txt, 1 x .json, 1 x .DS_Store, 1 x ._* and 3 more"
    assert skipped in collection.notes


def test_links_are_followed_and_loops_are_named(tmp_path: pathlib.Path, read: Read) -> None:
    mine, other = tmp_path / "mine", tmp_path / "other"
    write(other, {"x.png": png(), "x.txt": "x", "deep/y.png": png(), "deep/y.txt": "y"})
    write(mine, {"a.png": png(), "a.txt": "a", "folder/b.txt": "b"})
    (mine / "folder/b.png").symlink_to(mine / "a.png")
    (mine / "one").symlink_to(other)
    (mine / "two").symlink_to(other / "deep")
    (other / "deep/up").symlink_to(other)
    (mine / "gone.png").symlink_to(mine / "nothing")
    (mine / "itself").symlink_to(mine / "itself")
    os.mkfifo(mine / "pipe.png")
    collection = read("folder", input_dir=str(mine), test_fraction=0.0)
    assert keys(collection)["train"] == sorted(
        ["a.png", "folder/b.png", "one/x.png", "one/deep/y.png", "two/y.png"]
        + [f"two/up/{name}" for name in ("x.png",)]
    )
    assert reasons(collection) == {
        "gone.png": "link leads to no file",
        "itself": "cannot be read: Too many levels of symbolic links",
        "one/deep/up": "link leads to a folder above it",
        "pipe.png": "is neither a file nor a folder",
        "two/up/deep": "link leads to a folder above it",
    }


def test_folder_that_cannot_be_read_is_a_reject(
    tmp_path: pathlib.Path, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, {"a.png": png(), "a.txt": "a", "closed/b.png": png()})
    scan = os.scandir

    def refuse(path: pathlib.Path) -> object:
        if path.name == "closed":
            raise PermissionError(13, "Permission denied")
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    collection = read("folder")
    assert reasons(collection) == {"closed": "cannot be read: Permission denied"}
    assert by_class(collection)["rejected"] == ["closed"]


def test_names_that_are_not_utf8_are_rejects_or_read(tmp_path: pathlib.Path, read: Read) -> None:
    write(tmp_path, {"a.png": png(), "a.txt": "a"})
    for name in (b"\xff.png", b"\xfe.csv", b"\xfd.md"):
        pathlib.Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).touch()
    assert reasons(read("folder")) == {
        "\\xff.png": "image has no caption",
        "\\xfe.csv": "file name is not UTF-8",
        "\\xfd.md": "file name is not UTF-8",
    }


def test_captions_file_in_the_folder_is_read(tmp_path: pathlib.Path, read: Read) -> None:
    write(tmp_path, {"a.png": png(), "mine.csv": "file_name,text\na.png,a\n", "a.txt": "unread"})
    collection = read("folder", captions_file=str(tmp_path / "mine.csv"))
    assert by_class(collection) == {
        "accepted": ["a.png"],
        "read": ["mine.csv"],
        "rejected": [],
        "skipped": ["a.txt"],
    }


def tar(files: dict[str, bytes | None]) -> bytes:
    """Writes a shard; None is a link."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as shard:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content or b"")
            info.type = tarfile.SYMTYPE if content is None else tarfile.REGTYPE
            shard.addfile(info, io.BytesIO(content or b""))
    return buffer.getvalue()


def test_files_of_webdataset_are_counted(tmp_path: pathlib.Path, read: Read) -> None:
    shard = tar({"._a.jpg": jpeg(), "a.jpg": jpeg(), "a.png": png(), "a.txt": b"a", "b.jpg": None})
    root = tmp_path / "in"
    write(root, {"0.tar": shard, "1.tar": b"no tar" * 99, "2.tar.gz": b"", "0_stats.json": ""})
    collection = read("webdataset", input_dir=str(root), test_fraction=0.0)
    assert captions(collection) == {"0.tar/a": ("a",)}
    assert {"0.tar/a.png", "0.tar/b.jpg", "1.tar", "2.tar.gz"} == reasons(collection).keys()
    options = sources.SourceOptions(image_size=16, input_dir=str(root), test_fraction=0.0)
    in_parts = sources.read("webdataset", options)
    counts = prepare(in_parts, tmp_path / "out").manifest.files
    assert counts == {"accepted": 0, "read": 1, "rejected": 2, "skipped": 1}


def prepare(
    collection: sources.Collection, target: pathlib.Path, *, dry_run: bool = False
) -> preparing.Prepared:
    return preparing.prepare(
        collection,
        source="folder",
        image_size=8,
        output_dir=target,
        count_words=collections.Counter,
        dry_run=dry_run,
    )


def test_counts_stand_in_the_manifest(tmp_path: pathlib.Path, read: Read) -> None:
    broken = {"z.png": png()[:60], "z.txt": "z", "y.md": ""}
    images = {f"{name}.png": png() for name in "abcde"}
    texts = {f"{name}.txt": f"{name}\n\0\n" for name in "abcde"}
    write(tmp_path / "in", {**images, **texts, **broken})
    collection = read("folder", input_dir=str(tmp_path / "in"))
    prepare(collection, tmp_path / "out")
    manifest = records.load_manifest(tmp_path / "out")
    assert manifest.files == {"accepted": 5, "read": 6, "rejected": 1, "skipped": 1}
    assert manifest.rejects == 6  # An empty caption of each image, and the broken image.
    # Images beyond --limit count as skipped.
    few = prepare(preparing.sample(collection, limit=2), tmp_path / "few").manifest.files
    assert few["accepted"] + few["rejected"] == 2
    assert sum(few.values()) == 13
    # A data set of an earlier version has no counts.
    path = tmp_path / "out" / records.MANIFEST_NAME
    fields = json.loads(path.read_text())
    del fields["files"]
    path.write_text(json.dumps(fields))
    assert records.load_manifest(tmp_path / "out").files == {}


def tiny(kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (3, 2), (200, 0, 0)).save(buffer, format=kind)
    return buffer.getvalue()


IMAGES = [tiny(kind) for kind in ("PNG", "JPEG", "GIF")]
CAPTIONS = [
    *(b"a red dog\n", "caf\xe9".encode(), "caf\xe9".encode("latin-1"), "a\nb".encode("utf-16")),
    b"a\0b\n",
]
ROWS = [
    *(b"file_name,caption\na.png,red\ngone.png,x\n", b"file_name\ttext\na.png\tred\n"),
    *(b'file_name,caption\na.png,"open\nb.jpg,x\n', b"a,b\n1,2\n"),
    jsonl({"file_name": "a.png", "text": "red"}, {"file_name": 5}, ["x"]).encode(),
    json.dumps([{"file_name": "b.jpg", "captions": ["x", ""]}]).encode(),
]
stems = st.sampled_from([b"a", b"b", b" c", "\xe4".encode(), b"\xff", b".hidden", b"captions"])
images = st.tuples(stems, st.sampled_from([b".png", b".jpg", b".JFIF", b".gif", b".heic", b".tif"]))
texts = st.tuples(stems, st.just(b".txt"))
tables = st.tuples(
    st.sampled_from([b"captions", b"metadata", b"mine"]),
    st.sampled_from([b".csv", b".tsv", b".json", b".jsonl"]),
)
system = st.sampled_from([b"._a.png", b".DS_Store", b"Thumbs.db", b"x.md"]).map(lambda it: (it,))
# An image of this kind may be cut.
image_contents = st.sampled_from(IMAGES) | st.sampled_from([it[:-9] for it in IMAGES])
other_contents = st.sampled_from([*CAPTIONS, *ROWS]) | st.binary(max_size=30)
LINKS = (b".", b"..", b"sub", b"../sub", b"a.png", b"nothing", b"link")
files = st.one_of(
    st.tuples(images, image_contents),
    st.tuples(images, image_contents),
    st.tuples(texts, st.sampled_from(CAPTIONS) | other_contents),
    st.tuples(tables, st.sampled_from(ROWS) | other_contents),
    st.tuples(system, other_contents),
)
folders = st.sampled_from([b"", b"sub", b"train", b"test", b"__MACOSX", b"sub/\xfe"])
links = st.tuples(folders, st.sampled_from([b"link", b"b.png", b"c.txt"]), st.sampled_from(LINKS))


# Nearly every tree has an image with a caption, so few trees are refused.
GOOD = [(b"", ((b"good.png",), IMAGES[0])), (b"", ((b"good.txt",), b"good"))]


def make(root: bytes, entries: list, targets: list) -> None:
    for folder, (name, content) in entries:
        os.makedirs(os.path.join(root, folder), exist_ok=True)
        with open(os.path.join(root, folder, b"".join(name)), "wb") as file:
            file.write(content)
    for folder, name, target in targets:
        os.makedirs(os.path.join(root, folder), exist_ok=True)
        if not os.path.lexists(os.path.join(root, folder, name)):
            os.symlink(target, os.path.join(root, folder, name))


def names(folder: bytes, above: tuple[bytes, ...] = ()) -> int:
    """Counts the names below a folder; a link that cannot be followed is one name."""
    count = 0
    above = (*above, os.path.realpath(folder))
    for name in os.listdir(folder):
        path = os.path.join(folder, name)
        leads_away = os.path.isdir(path) and not (os.path.islink(path) and b"__MACOSX" in folder)
        inside = leads_away and os.path.realpath(path) not in above
        count += names(path, above) if inside else 1
    return count


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=150)
@given(
    entries=st.lists(st.tuples(folders, files), min_size=4, max_size=14),
    targets=st.lists(links, max_size=3),
    planted=st.sampled_from([[], GOOD, GOOD, GOOD]),
)
def test_any_tree_is_prepared_or_refused_and_every_file_is_counted(
    entries: list, targets: list, planted: list
) -> None:
    with tempfile.TemporaryDirectory() as place:
        root, target = pathlib.Path(place, "in"), pathlib.Path(place, "out")
        make(os.fsencode(root), [*entries, *planted], targets)
        options = sources.SourceOptions(image_size=8, input_dir=str(root))
        expected = names(os.fsencode(root))  # A link may lead to the folder of the data set.
        for dry_run in (True, False):
            try:
                collection = sources.read("folder", options)
                prepared = prepare(collection, target, dry_run=dry_run)
            except UsageError:
                assert not target.exists()
                return
            counts = prepared.manifest.files
            assert sum(counts.values()) == expected
            written = sum(map(prepared.manifest.records, prepared.manifest.splits))
            assert counts["accepted"] == written
        assert records.load_manifest(target).files == counts
        rejects = (target / records.REJECTS_NAME).read_text().splitlines()
        assert all(json.loads(line).keys() == {"key", "reason"} for line in rejects)
        named = ["{key}: {reason}".format(**json.loads(line)) for line in rejects]
        for key, kind in collection.files.items():
            name = tree.printable(key)
            assert kind != file_counts.REJECTED or any(name in it for it in named)
