"""The layouts in which folders hold captions, with the names of their publishers."""

import collections
import io
import json
import pathlib
import sys
import unicodedata
from typing import Any

import pyarrow
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from tests.data.sources.conftest import (
    Read,
    captions,
    jpeg,
    jsonl,
    keys,
    mean_colour,
    png,
    reasons,
    write,
)
from tfgan2.data import sources
from tfgan2.data.sources import tree
from tfgan2.program import UsageError


def parquet_of(**columns: list[Any]) -> bytes:
    buffer = io.BytesIO()
    parquet.write_table(pyarrow.table(columns), buffer, row_group_size=2)
    return buffer.getvalue()


FLICKR = {
    "captions.txt": (
        "image,caption\n"
        "1000268201_693b08cb0e.jpg,A child in a pink dress .\n"
        '1000268201_693b08cb0e.jpg,"A girl, going in ."\n'
        "1001773457_577c3a7d70.jpg,A black dog .\n"
    ),
    "Images/1000268201_693b08cb0e.jpg": jpeg(),
    "Images/1001773457_577c3a7d70.jpg": jpeg(),
}
FLICKR_CAPTIONS = {
    "1000268201_693b08cb0e.jpg": ("A child in a pink dress .", "A girl, going in ."),
    "1001773457_577c3a7d70.jpg": ("A black dog .",),
}


def by_file(collection: sources.Collection) -> dict[str, tuple[str, ...]]:
    return {key.rpartition("/")[2]: texts for key, texts in captions(collection).items()}


def test_flickr8k_of_kaggle_is_read(tmp_path: pathlib.Path, read: Read) -> None:
    write(tmp_path, FLICKR)
    collection = read("folder")
    assert by_file(collection) == FLICKR_CAPTIONS
    assert collection.notes == ("read: captions of Flickr8k and Flickr30k: captions.txt",)
    assert not collection.rejects


def test_flickr8k_of_its_publishers_is_read(tmp_path: pathlib.Path, read: Read) -> None:
    token = "".join(
        f"{name}#{number}\t{text}\n"
        for name, texts in FLICKR_CAPTIONS.items()
        for number, text in enumerate(texts)
    )
    images = {f"Flicker8k_Dataset/{name}": jpeg() for name in FLICKR_CAPTIONS}
    text = {"Flickr8k_text/Flickr8k.token.txt": f"{token}no caption\n"}
    write(tmp_path, {**images, **text, "Flickr8k_text/readme.txt": "These are captions.\n"})
    collection = read("folder")
    assert by_file(collection) == FLICKR_CAPTIONS
    assert reasons(collection) == {
        "Flickr8k_text/Flickr8k.token.txt:4": "line must be NAME#NUMBER, a tab, CAPTION"
    }


def test_flickr30k_of_kaggle_is_read(tmp_path: pathlib.Path, read: Read) -> None:
    table = 'image_name| comment_number| comment\n1.jpg| 0| Two "guys" , one dog .\n'
    write(tmp_path, {"results.csv": table, "flickr30k_images/1.jpg": jpeg()})
    assert by_file(read("folder")) == {"1.jpg": ('Two "guys" , one dog .',)}


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("metadata.csv", "file_name,text\n1.png,a\n2.png,\"['b', 'c']\"\n"),
        (
            "metadata.jsonl",
            jsonl({"file_name": "1.png", "text": "a"}, {"file_name": "2.png", "text": ["b", "c"]}),
        ),
        ("metadata.parquet", parquet_of(file_name=["1.png", "2.png"], text=[["a"], ["b", "c"]])),
    ],
    ids=["csv", "jsonl", "parquet"],
)
def test_image_folder_is_read_with_its_folders_as_the_split(
    name: str, table: str | bytes, tmp_path: pathlib.Path, read: Read
) -> None:
    for split in ("train", "test"):
        write(tmp_path / split, {"1.png": png(), "2.png": png(), name: table})
    collection = read("folder")
    assert keys(collection) == {
        "train": ["train/1.png", "train/2.png"],
        "test": ["test/1.png", "test/2.png"],
    }
    texts = {"1.png": ("a",), "2.png": ("b", "c")}
    assert captions(collection) == {
        f"{split}/{image}": text for split in ("train", "test") for image, text in texts.items()
    }
    assert collection.notes == (
        f"read: Hugging Face's ImageFolder: test/{name}, train/{name}",
        "split: that of the names train and test",
    )


def test_label_of_an_image_is_the_number_of_its_folder(tmp_path: pathlib.Path, read: Read) -> None:
    for name in ("owl", "crow"):
        write(tmp_path / name, {"1.png": png(), "2.png": png()})
    collection = read("folder", caption_from="folder")
    assert collection.label_names == ("crow", "owl")
    items = [item for split in collection.splits.values() for item in split]
    assert len(items) == 4
    assert all(collection.label_names[item.label] == item.key.split("/")[0] for item in items)


def test_a_missing_image_of_one_split_is_not_searched_in_the_other(
    tmp_path: pathlib.Path, read: Read
) -> None:
    write(
        tmp_path / "train", {"metadata.csv": "file_name,text\n1.png,a\n2.png,b\n", "1.png": png()}
    )
    write(tmp_path / "test", {"metadata.csv": "file_name,text\n2.png,c\n", "2.png": png()})
    collection = read("folder")
    assert captions(collection) == {"train/1.png": ("a",), "test/2.png": ("c",)}
    assert reasons(collection) == {"2.png": "train/metadata.csv names an image that is not there"}


def test_parquet_shards_with_images_are_read(tmp_path: pathlib.Path, read: Read) -> None:
    colours = [(200, 0, 0), (0, 200, 0), (0, 0, 200)]
    image = [{"bytes": png(colour), "path": f"{at}.png"} for at, colour in enumerate(colours)]
    shards = {
        "data/train-00000-of-00001.parquet": parquet_of(image=image, text=["r", "g", "b"]),
        "data/test-00000-of-00001.parquet": parquet_of(image=image[:1], text=[["x", "y"]]),
        "data/validation-00000-of-00001.parquet": b"PAR1 damaged",
    }
    write(tmp_path, shards)
    collection = read("folder")
    train, test = (collection.splits[split] for split in ("train", "test"))
    assert [item.captions for item in train] == [("r",), ("g",), ("b",)]
    assert [mean_colour(item).index(max(mean_colour(item))) for item in train] == [0, 1, 2]
    assert [item.captions for item in test] == [("x", "y")]
    assert "parquet shards with images" in collection.notes[0]
    damaged = reasons(collection)["data/validation-00000-of-00001.parquet"]
    assert damaged.startswith("cannot be read as parquet: ")


def test_missing_package_is_named_with_its_extra(
    tmp_path: pathlib.Path, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, {"a.png": png(), "metadata.parquet": b"PAR1"})
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UsageError, match=r"pip install 'tfgan2\[parquet\]'"):
        read("folder")


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("prompts.csv", "id,pic,says\n1,a.png,red\n2,b.png,blue\n"),
        ("prompts.csv", "pic;says\na.png;red\nb.png;blue\n"),
        ("prompts.tsv", "pic\tsays\na.png\tred\nb.png\tblue\n"),
        ("prompts.jsonl", jsonl({"pic": "a.png", "says": "red"}, {"pic": "b.png", "says": "blue"})),
        (
            "prompts.json",
            json.dumps(
                [{"pic": "a.png", "says": "red"}, {"pic": "b.png", "says": ["blue"]}], indent=1
            ),
        ),
        ("prompts.parquet", parquet_of(pic=["a.png", "b.png"], says=["red", "blue"])),
    ],
    ids=["comma", "semicolon", "tab", "lines", "array", "parquet"],
)
def test_own_columns_are_read_from_any_table(
    name: str, table: str | bytes, tmp_path: pathlib.Path, read: Read
) -> None:
    write(tmp_path, {"images/a.png": png(), "images/b.png": png(), name: table})
    columns = {"image_column": "pic", "caption_column": "says"}
    expected = {"images/a.png": ("red",), "images/b.png": ("blue",)}
    assert captions(read("folder", **columns)) == expected
    # The same table in another folder.
    outside = tmp_path.with_name(f"{tmp_path.name}_outside")
    outside.mkdir()
    (tmp_path / name).rename(outside / name)
    file = str(outside / name)
    assert captions(read("folder", captions_file=file, **columns)) == expected


@pytest.mark.parametrize(
    "name",
    [
        "images/Käse.png",
        unicodedata.normalize("NFD", "images/Käse.png"),
        "IMAGES/KÄSE.PNG",
        "images\\Käse.png",
        "Käse.png",
        "/home/somebody/data/images/Käse.png",
        "C:\\data\\images\\Käse.png",
    ],
    ids=["exact", "NFD", "case", "backslash", "file", "absolute", "drive"],
)
def test_names_are_found_in_the_forms_in_which_tables_have_them(
    name: str, tmp_path: pathlib.Path, read: Read
) -> None:
    write(tmp_path, {"images/Käse.png": png(), "images/b.png": png()})
    write(tmp_path, {"captions.jsonl": jsonl({"file_name": name, "caption": "cheese"})})
    assert captions(read("folder")) == {"images/Käse.png": ("cheese",)}


def test_absolute_name_below_the_folder_is_that_image(tmp_path: pathlib.Path, read: Read) -> None:
    write(tmp_path, {"a/1.png": png(), "x/a/1.png": png()})
    write(tmp_path, {"captions.jsonl": jsonl({"file_name": f"{tmp_path}/a/1.png", "text": "one"})})
    assert captions(read("folder")) == {"a/1.png": ("one",)}


def test_a_name_that_several_images_share_is_a_reject(tmp_path: pathlib.Path, read: Read) -> None:
    write(tmp_path, {"a/1.png": png(), "b/1.png": png(), "b/1.txt": "x"})
    write(tmp_path, {"captions.csv": "file_name,caption\n1.png,one\nB/1.PNG,two\n"})
    collection = read("folder")
    assert captions(collection) == {"b/1.png": ("x", "two")}
    assert reasons(collection)["1.png"] == "captions.csv has a name that several images share"


def test_captions_are_the_cleaned_names_of_files_or_folders(
    tmp_path: pathlib.Path, read: Read
) -> None:
    names = ["red_apple_01.png", "red-apple (2).png", "big  dog7.png", "0001.png"]
    write(tmp_path, {f"my_fruit/{name}": png() for name in names})
    write(tmp_path, {"train/1.png": png(), "my_fruit/0001.txt": "not read"})
    collection = read("folder", caption_from="filename")
    assert captions(collection) == {
        "my_fruit/red_apple_01.png": ("red apple",),
        "my_fruit/red-apple (2).png": ("red apple",),
        "my_fruit/big  dog7.png": ("big dog",),
    }
    assert reasons(collection)["my_fruit/0001.png"] == "caption is empty"
    collection = read("folder", caption_from="folder")
    assert set(captions(collection).values()) == {("my fruit",)}
    assert collection.label_names == ("my fruit",)
    assert reasons(collection) == {"train/1.png": "caption is empty"}


def test_first_captions_are_kept_alone_and_lines_of_a_form_are_warned_of(
    tmp_path: pathlib.Path, read: Read, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = "An owl.\nde.utf8=Eine Eule.\nfr.utf8=Un hibou.\n"
    for number in range(4):
        write(tmp_path, {f"{number}.png": png(), f"{number}.txt": lines})
    assert len(captions(read("folder"))["0.png"]) == 3
    warning = capsys.readouterr().err
    assert "4 of 4 images have captions of the form KEY=TEXT, such as 'de.utf8=Eine" in warning
    assert captions(read("folder", captions="first"))["0.png"] == ("An owl.",)
    assert not capsys.readouterr().err


def test_open_quote_costs_its_row(tmp_path: pathlib.Path, read: Read) -> None:
    table = 'file_name,caption\na.png,"open\nb.png,fine\nc.png,"two\nlines"\nd.png,x "y" z\n'
    write(tmp_path, {f"{name}.png": png() for name in "abcd"})
    write(tmp_path, {"captions.csv": table})
    collection = read("folder")
    assert captions(collection) == {
        "b.png": ("fine",),
        "c.png": ("two lines",),
        "d.png": ('x "y" z',),
    }
    assert reasons(collection)["captions.csv:2"].startswith("line is no CSV: ")
    # A quote that another row closes.
    write(tmp_path, {"captions.csv": 'file_name,caption\na.png,"open\nb.png,",x\nc.png,fine\n'})
    collection = read("folder")
    assert captions(collection) == {"c.png": ("fine",)}
    assert reasons(collection)["captions.csv:2"] == "line is no CSV: a quote is open"


def test_unread_folder_names_its_tables_and_the_layouts_that_are_read(
    tmp_path: pathlib.Path, read: Read
) -> None:
    write(tmp_path, {"a.png": png(), "prompts.csv": "pic,says\na.png,x\n", "a.cap": "x"})
    with pytest.raises(UsageError, match="--input_dir: must hold images with captions") as caught:
        read("folder")
    hints = "\n".join(caught.value.hints)
    assert "found: 1 images, such as a.png" in hints
    assert "found: prompts.csv with the columns pic, says" in hints
    assert "found: 1 x .cap" in hints
    for layout in ("a.txt", "metadata.csv", "--captions_file=FILE", "--caption_from", "webdataset"):
        assert f"{layout}" in hints
    assert all("\n" not in hint for hint in caught.value.hints)


def test_tables_with_other_columns_are_named(tmp_path: pathlib.Path, read: Read) -> None:
    write(tmp_path, {"a.png": png(), "a.txt": "x", "b.png": png(), "b.csv": "pic,says\nb.png,y\n"})
    write(tmp_path, {"metadata.csv": "author,licence\nme,CC0\n"})
    collection = read("folder")
    assert "not read: b.csv; see --image_column and --caption_column" in collection.notes
    assert reasons(collection)["metadata.csv"].endswith("only author, licence")
    with pytest.raises(UsageError, match="captions_file: must be a file, got none"):
        read("folder", captions_file="none")
    with pytest.raises(UsageError, match="--caption_from: must be left out with --captions_file"):
        read("folder", captions_file="none", caption_from="folder")
    file = str(tmp_path / "b.csv")
    with pytest.raises(UsageError, match=r"b\.csv: must begin with .* got pic, says"):
        read("folder", captions_file=file)


NAMES = ("a.png", "A.PNG", "b.png", "c/a.png", "\\a.png", "/x/a.png", "C:/a.png", "../a.png", "")
TEXTS = ("x", "['p', 'q']", "[", '"', "\udcff", "\ud800", "\0", "de=1", " ", "\n")
cells = st.sampled_from((*NAMES, *TEXTS))
rows = st.lists(st.tuples(cells, cells), max_size=8)
IMAGES = {"a.png": png(), "b.png": png(), "c/a.png": png()}


def read_table(folder: pathlib.Path, name: str, content: bytes) -> sources.Collection | None:
    """Reads the images with a table; None if the table is refused because of its columns."""
    write(folder, {**IMAGES, "b.txt": "fine", name: content})
    options = sources.SourceOptions(image_size=16, input_dir=str(folder), test_fraction=0.0)
    try:
        return sources.read("folder", options)
    except UsageError as error:
        if "must begin with the header" in str(error):
            return None
        raise


@pytest.mark.parametrize("name", ["captions.csv", "metadata.tsv", "captions.txt", "captions.json"])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(rows=rows, broken=st.binary(max_size=20))
def test_any_table_gives_each_image_captions_or_a_reject(
    name: str, rows: list[tuple[str, str]], broken: bytes, tmp_path: pathlib.Path
) -> None:
    separator = "\t" if name.endswith(".tsv") else ","
    lines = [("image", "caption"), *rows]
    text = "".join(f"{image}{separator}{caption}\n" for image, caption in lines)
    content = text.encode("utf-8", "surrogatepass") + broken
    if name.endswith(".json"):
        content = json.dumps(rows).encode() + broken
    collection = read_table(tmp_path, name, content)
    if collection is None:
        return
    found, left_out = captions(collection), [reject.key for reject in collection.rejects]
    for image in IMAGES:
        assert image in found or left_out.count(image) == 1
    assert all(reject.key.encode() and reject.reason.encode() for reject in collection.rejects)
    assert all(text.encode() for texts in found.values() for text in texts)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(rows=rows)
def test_every_row_of_a_table_is_accepted_or_rejected(
    rows: list[tuple[str, str]], tmp_path: pathlib.Path
) -> None:
    entries = [{"file_name": image, "caption": text} for image, text in rows]
    collection = read_table(tmp_path, "captions.json", json.dumps(entries).encode())
    assert collection is not None
    found, files = captions(collection), tree.read(tmp_path)
    rows_of: collections.Counter[str | None] = collections.Counter()
    for image, _ in rows:
        try:
            rows_of[files.find(image, folder="", anywhere=False)] += 1
        except tree.NotFoundError:
            rows_of[None] += 1
    faults = collections.Counter(
        reject.key if reject.reason.startswith("caption is") else None
        for reject in collection.rejects
        if reject.reason != "image has no caption"
    )
    assert faults[None] == rows_of[None]
    for image, texts in found.items():
        # A list of two captions is one row; `fine` is no row.
        accepted = len(texts) - texts.count("q") - texts.count("fine")
        assert accepted + faults[image] == rows_of[image]
