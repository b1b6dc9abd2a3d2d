"""Caption files: their entries, the order of entries, and damaged files."""

import bz2
import csv
import gzip
import io
import json
import lzma
import pathlib
import tempfile

import pyarrow
import pytest
import tensorflow as tf
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from plain_text import decoding
from serving.batch import caption_files, staging, tfrecords
from serving.batch.caption_files import MAX_CAPTION_BYTES, MAX_LINE_BYTES, DamagedFileError, Entry

COMPRESSIONS = {
    "": lambda content: content,
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": zstandard.compress,
}
BOM = b"\xef\xbb\xbf"
# Text in UTF-8 without control characters.
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=30)
LINES = st.lists(TEXT.map(str.encode))


def is_text(content: bytes) -> bool:
    """Whether the content is neither of another format nor a table with a header."""
    first = content.removeprefix(BOM).partition(b"\n")[0]
    return not first.startswith(tuple(caption_files.FORMATS)) and b"caption" not in first.lower()


def read(name: str, content: bytes, encoding: str | None = None) -> list[Entry]:
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / name
        path.write_bytes(content)
        return list(caption_files.read(str(path), encoding))


def drawn(name: str, content: bytes) -> list[bytes]:
    """The captions of a file; asserts that no entry has a problem."""
    entries = read(name, content)
    assert all(entry.problem is None for entry in entries), entries
    return [entry.caption for entry in entries]


@given(
    LINES.filter(lambda lines: not lines or (is_text(lines[0]) and lines[0][:3] != BOM)),
    st.sampled_from([b"\n", b"\r\n"]),
    st.booleans(),
    st.booleans(),
    st.sampled_from(sorted(COMPRESSIONS)),
)
def test_a_line_is_a_caption(
    lines: list[bytes], end: bytes, marked: bool, ended: bool, suffix: str
) -> None:
    lines = [line.rstrip(b"\r") for line in lines]
    content = (BOM if marked else b"") + end.join(lines) + (end if ended and lines else b"")
    # A last line without a line end counts only if it is not empty.
    expected = lines if ended or not lines or lines[-1] else lines[:-1]
    assert drawn(f"captions.txt{suffix}", COMPRESSIONS[suffix](content)) == expected


@given(st.text(st.characters(codec="utf-8"), max_size=300).map(str.encode).filter(is_text))
def test_every_line_of_any_text_is_an_entry(content: bytes) -> None:
    if decoding.detect(content) not in ("utf-8", "utf-8-sig"):
        return
    ends = content.removeprefix(BOM).count(b"\n")
    left = bool(content.removeprefix(BOM).rpartition(b"\n")[2])
    assert len(read("captions.txt", content)) == ends + left
    assert len(read("captions.jsonl", content)) == ends + left


@given(
    st.binary(max_size=300) | TEXT.map(lambda text: text.encode("utf-16")[:-1]),
    st.sampled_from(["captions.txt", "captions.csv", "captions.json", "captions.jsonl"]),
    st.sampled_from([None, "cp1252", "utf-16-le", "utf-8", "shift_jis", "utf-7"]),
)
def test_any_bytes_are_entries_in_utf_8_or_one_error(
    content: bytes, name: str, encoding: str | None
) -> None:
    try:
        entries = read(name, content, encoding)
    except (DamagedFileError, decoding.EncodingError):
        return
    for entry in entries:
        if entry.problem is None:
            assert decoding.is_text(entry.caption.decode())


@pytest.mark.parametrize(
    "name", ["captions.txt", "captions.csv", "captions.jsonl", "captions.json"]
)
@pytest.mark.parametrize(
    "codec", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]
)
def test_unicode_is_decoded_with_and_without_a_mark(name: str, codec: str) -> None:
    captions = ["grüner Käfer", "красная птица", "赤い鳥"]
    header = ["caption"] if name.endswith("csv") else []
    lines = captions if "json" not in name else map(json.dumps, captions)
    content = "".join(f"{line}\n" for line in [*header, *lines]).encode(codec)
    # More than one chunk, whose ends lie within characters.
    assert drawn(name, content) == [text.encode() for text in captions]
    many = f"{'赤' * 333}\n" * 300
    assert drawn("captions.txt", many.encode("utf-16")) == ["赤".encode() * 333] * 300


@pytest.mark.parametrize("name", ["captions.txt", "captions.csv", "captions.jsonl"])
def test_latin_1_is_refused_with_its_line_and_read_with_the_encoding(name: str) -> None:
    captions = ["a red bird", "ein größerer Käfer", "schöne Blumen"]
    header = ["caption"] if name.endswith("csv") else []
    lines = captions if "json" not in name else [f'"{text}"' for text in captions]
    content = "".join(f"{line}\n" for line in [*header, *lines]).encode("latin-1")
    line = 2 + len(header)
    rule = (
        f"{name}, line {line} is not UTF-8 but perhaps cp1252 .*größerer Käfer.*--encoding=cp1252"
    )
    with pytest.raises(decoding.EncodingError, match=rule):
        read(name, content)
    assert [entry.caption.decode() for entry in read(name, content, "latin-1")] == captions


def test_a_file_of_nuls_gives_no_captions() -> None:
    (entry,) = read("captions.txt", bytes(1000))
    assert entry.problem == "caption: must be text, got many control characters"
    assert drawn("captions.txt", b"red\0bird\n") == [b"red\0bird"]


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
@pytest.mark.parametrize("mark", [b"", BOM])
def test_long_captions_and_lines_fail_and_the_next_is_read(end: bytes, mark: bytes) -> None:
    for length in (MAX_CAPTION_BYTES, MAX_CAPTION_BYTES + 1):
        (entry,) = read("captions.txt", mark + b"x" * length + end)
        assert (entry.problem is None) == (length == MAX_CAPTION_BYTES)
        assert entry.caption == b"x" * length
    for length in (MAX_LINE_BYTES, MAX_LINE_BYTES + 1, MAX_LINE_BYTES + 7, 5 * MAX_LINE_BYTES):
        entries = read("captions.txt", mark + b"x" * length + b"\r\n" + b"next" + end)
        assert (entries[0].caption is None) == (length > MAX_LINE_BYTES)
        assert entries[1:] == [Entry(b"next")]


class CountingStream(io.BytesIO):
    """Records the largest requested size."""

    most = 0

    def readline(self, size: int = -1) -> bytes:
        assert size > 0
        self.most = max(self.most, size)
        return super().readline(size)


def test_no_line_is_read_at_once_however_long() -> None:
    stream = CountingStream(b"x" * 10 * MAX_LINE_BYTES + b"\nnext")
    assert list(caption_files._lines(stream)) == [None, b"next"]
    assert stream.most < 2 * MAX_LINE_BYTES


@given(st.lists(st.tuples(TEXT, TEXT)), st.booleans())
def test_a_table_has_a_column_of_captions(rows: list[tuple[str, str]], marked: bool) -> None:
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(["key", "caption", "more"])
    writer.writerows((key, text, "") for key, text in rows)
    content = (BOM if marked else b"") + file.getvalue().encode()
    assert drawn("captions.csv", content) == [text.encode() for _, text in rows]


def test_bad_rows_of_a_table_fail_separately() -> None:
    long_field = b"x" * (csv.field_size_limit() + 1)
    long_line = b"y" * (MAX_LINE_BYTES + 1)
    rows = [b"a,b", b"", b"short", long_field + b",c", long_line + b",c", b"d,\0", b'e,"f\ng"']
    entries = read("captions.csv", b"\n".join([b"key,caption", *rows]))
    assert [entry.caption for entry in entries] == [b"b", b"", None, None, None, b"\0", b"f\ng"]
    assert [entry.problem is None for entry in entries] == [True, True, *[False] * 4, True]


def test_an_open_quote_swallows_no_more_than_a_field() -> None:
    rows = b"".join(b"%d,caption\n" % number for number in range(30_000))
    entries = read("captions.csv", b'key,caption\n1,"' + rows)
    assert 1 <= sum(entry.problem is not None for entry in entries) <= 2
    assert entries[-1].caption == b"caption"


@given(st.lists(TEXT), st.booleans(), st.booleans())
def test_json_lines_are_strings_or_objects(texts: list[str], wrapped: bool, escaped: bool) -> None:
    values = [{"caption": text, "id": 1} if wrapped else text for text in texts]
    lines = [json.dumps(value, ensure_ascii=escaped) for value in values]
    content = "".join(f"{line}\n" for line in lines).encode()
    assert drawn("captions.jsonl", content) == [text.encode() for text in texts]


@pytest.mark.parametrize(
    "line",
    [b"{", b"[]", b"1", b"null", b'{"text": "a"}', b'{"caption": 1}', b"[" * 100_000, b'"\\ud800"'],
)
def test_lines_without_a_json_caption_fail_separately(line: bytes) -> None:
    entries = read("captions.jsonl", b'"a"\n' + line + b'\n\n"b"')
    assert [entry.caption for entry in entries] == [b"a", None, b"", b"b"]
    assert entries[1].problem.startswith("line: must be a JSON string, or an object")


@given(st.lists(TEXT.map(str.encode)))
def test_a_manifest_has_the_captions_it_came_from(texts: list[bytes]) -> None:
    content = b"".join(staging.json_line({"caption": staging.text_of(text)}) for text in texts)
    assert drawn("manifest.jsonl", content) == texts


def test_json_with_a_byte_that_is_not_utf_8_fails_separately() -> None:
    bad, good = read("captions.jsonl", rb'"caf\udce9"' + b'\n"a"')
    assert bad == Entry(b"caf\xe9", "caption: must be UTF-8, got other bytes")
    assert good == Entry(b"a")


def example(**features: list[bytes]) -> bytes:
    made = tf.train.Example()
    for name, values in features.items():
        made.features.feature[name].bytes_list.value.extend(values)
    made.features.feature["label"].int64_list.value.append(-1)
    return made.SerializeToString()


def test_records_as_tensorflow_writes_them(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "train-00000-of-00001.tfrecord"
    with tf.io.TFRecordWriter(str(path)) as writer:
        writer.write(example(caption=[b"a"], image=[b"\x89PNG"]))
        writer.write(example(captions=[b"b", b"\xff", b""]))
        writer.write(example(image=[b"none"]))
        writer.write(b"no example")
        writer.write(example(caption=[b"last"]))
    entries = list(caption_files.read(str(path)))
    found = [entry.caption for entry in entries]
    assert found == [b"a", b"b", b"\xff", b"", None, None, b"last"]
    assert entries[2].problem == "caption: must be UTF-8, got other bytes"
    assert entries[4].problem == "record: must have a feature `caption` or `captions`, got none"
    assert entries[5].problem.startswith("record: must be a tf.train.Example")


@given(st.lists(st.binary(max_size=50), min_size=1))
@settings(max_examples=20)
def test_records_as_tensorflow_reads_them(records: list[bytes]) -> None:
    content = b"".join(map(tfrecords.frame, records))
    assert list(tfrecords.records(io.BytesIO(content))) == records
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        found = [record.numpy() for record in tf.data.TFRecordDataset(file.name)]
    assert found == records


@given(st.data())
def test_damaged_records_end_the_reading(data: st.DataObject) -> None:
    content = bytearray(tfrecords.frame(example(caption=[b"a"])) * 2)
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(DamagedFileError, match=r"TFRecord|length"):
        read("captions.tfrecord", bytes(content))


@given(st.sampled_from(sorted(set(COMPRESSIONS) - {""})), st.data())
def test_cut_off_files_end_the_reading(suffix: str, data: st.DataObject) -> None:
    lines = b"".join(b"caption %d\n" % number for number in range(500))
    content = COMPRESSIONS[suffix](lines)
    end = data.draw(st.integers(1, len(content) - 1))
    with pytest.raises(DamagedFileError, match=suffix):
        read(f"captions.txt{suffix}", content[:end])
    assert len(read(f"captions.txt{suffix}", content)) == 500


@pytest.mark.parametrize("suffix", sorted(set(COMPRESSIONS) - {""}))
def test_files_that_were_put_together_are_read_to_their_end(suffix: str) -> None:
    compress = COMPRESSIONS[suffix]
    content = compress(b"a\nb") + compress(b"") + compress(b"c\nd\n")
    assert drawn(f"captions.txt{suffix}", content) == [b"a", b"bc", b"d"]
    with pytest.raises(DamagedFileError):
        read(f"captions.txt{suffix}", b"plain text")


def test_a_table_without_its_column_is_no_file_of_captions() -> None:
    for content in (b"", b"text\na\n", b'"caption\n'):
        with pytest.raises(DamagedFileError, match="must have a column `caption`"):
            read("captions.csv", content)


@given(
    st.lists(st.lists(st.binary(max_size=10).map(lambda line: line.replace(b"\n", b"")))), st.data()
)
def test_rows_are_numbered_through_all_files(files: list[list[bytes]], data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for number, lines in enumerate(files):
            paths.append(f"{folder}/{number}.jsonl")
            content = (staging.json_line({"caption": staging.text_of(line)}) for line in lines)
            pathlib.Path(paths[-1]).write_bytes(b"".join(content))
        staged_path = f"{folder}/staged"
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(staging, "STRIDE", data.draw(st.integers(1, 5)))
            staged = staging.stage(paths, staged_path, partial_folder=folder)
            flat = [line for lines in files for line in lines]
            assert staged.captions.count == len(flat)
            if not flat:
                return
            begin = data.draw(st.integers(0, len(flat) - 1))
            found = [entry.caption for entry in staging.entries(staged_path, staged.offsets, begin)]
            assert found == flat[begin:]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("captions.csv", b"id;caption\n1;a, b\n2;c\n"),
        ("captions.tsv", b"id\tcaption\n1\ta, b\n2\tc\n"),
        ("captions.json", b'[\n "a, b",\n {"caption": "c"}\n]\n'),
        ("captions.json", b'"a, b"\n{"caption": "c"}\n'),
        ("captions.json.gz", gzip.compress(b'["a, b", "c"]')),
    ],
    ids=["semicolon", "tab", "array", "lines", "compressed"],
)
def test_tables_and_arrays_are_read_by_their_form(name: str, content: bytes) -> None:
    assert drawn(name, content) == [b"a, b", b"c"]


def test_parquet_has_a_column_of_captions() -> None:
    file = io.BytesIO()
    parquet.write_table(pyarrow.table({"id": [1, 2, 3], "caption": ["a", None, "c"]}), file)
    entries = read("captions.parquet", file.getvalue())
    assert [entry.caption for entry in entries] == [b"a", None, b"c"]
    assert entries[1].problem is not None
    with pytest.raises(DamagedFileError, match=r"captions\.parquet"):
        read("captions.parquet", file.getvalue()[:-20])
    other = io.BytesIO()
    parquet.write_table(pyarrow.table({"text": ["a"]}), other)
    with pytest.raises(DamagedFileError, match="must have a column `caption`, got text"):
        read("captions.parquet", other.getvalue())


@pytest.mark.parametrize("name", ["captions.txt", "captions.csv", "captions.jsonl"])
@pytest.mark.parametrize(
    "content",
    [b"PK\x03\x04rest\n", b"PAR1\n", gzip.compress(b"a")],
    ids=["zip", "parquet", "gzip"],
)
def test_files_of_other_formats_are_refused(name: str, content: bytes) -> None:
    with pytest.raises(DamagedFileError, match="a file of captions must be text, got"):
        read(name, content)


@pytest.mark.parametrize("header", [b"caption", b"image,caption", b'"id"\tCaption\r'])
def test_a_header_is_no_caption(header: bytes) -> None:
    with pytest.raises(DamagedFileError, match="a table must have a name in"):
        read("captions.txt", header + b"\n1.jpg,a dog\n")
    assert drawn("captions.txt", b"a caption, an image\n") == [b"a caption, an image"]


@pytest.mark.parametrize("content", [b"[1, 2", b"[" * 100_000, b'["a"] x'])
def test_broken_arrays_end_the_reading(content: bytes) -> None:
    with pytest.raises(DamagedFileError, match=r"captions\.json"):
        read("captions.json", content)


def test_entries_of_an_array_fail_separately() -> None:
    entries = read("captions.json", b'["a", 1, null, {"text": "b"}, "\\ud800", "c"]')
    assert [entry.caption for entry in entries] == [b"a", None, None, None, None, b"c"]
