"""Encodings of captions: the same rules in every form of text that tools.prepare reads."""

import json
import pathlib
import unicodedata

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.data.sources.conftest import Read, captions, png, reasons, write
from tests.data.sources.test_webdataset import tar
from tfgan2.data import sources
from tfgan2.program import UsageError

CAPTION = "ein größerer Käfer"
# Every form of one image's caption, as text.
FORMS = {
    "a.txt": CAPTION,
    "captions.csv": f"file_name,caption\na.png,{CAPTION}\n",
    "captions.tsv": f"file_name\tcaption\na.png\t{CAPTION}\n",
    "captions.json": json.dumps(
        [{"file_name": "a.png", "caption": CAPTION}], ensure_ascii=False, indent=1
    ),
    "metadata.jsonl": json.dumps({"file_name": "a.png", "text": CAPTION}, ensure_ascii=False),
    "results.token": f"a.png#0\t{CAPTION}\n",
    "captions.txt": f"image,caption\na.png,{CAPTION}\n",
}
UNICODE = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]


def in_shard(content: bytes, suffix: str) -> dict[str, bytes]:
    return {"0.tar": tar({"a.png": png(), f"a{suffix}": content})}


@pytest.mark.parametrize("codec", UNICODE)
@pytest.mark.parametrize("name", FORMS)
def test_unicode_is_read_in_every_form_of_captions(
    name: str, codec: str, tmp_path: pathlib.Path, read: Read
) -> None:
    write(tmp_path, {"a.png": png(), name: FORMS[name].encode(codec)})
    assert captions(read("folder")) == {"a.png": (CAPTION,)}


@pytest.mark.parametrize("name", FORMS)
def test_latin_1_is_rejected_by_name_with_a_guess_and_read_with_the_encoding(
    name: str, tmp_path: pathlib.Path, read: Read, capsys: pytest.CaptureFixture
) -> None:
    write(
        tmp_path,
        {"a.png": png(), name: FORMS[name].encode("latin-1"), "b.png": png(), "b.txt": "fine"},
    )
    collection = read("folder")
    assert captions(collection) == {"b.png": ("fine",)}
    assert reasons(collection) == {"a.png": "caption is not UTF-8"}
    warning = "warning: 1 captions are not UTF-8 but perhaps cp1252 ('ein größerer Käfer')"
    assert f"{warning}; if so, --encoding=cp1252 reads them\n" in capsys.readouterr().err
    for encoding in ("cp1252", "latin-1"):
        found = captions(read("folder", encoding=encoding))
        assert found == {"a.png": (CAPTION,), "b.png": ("fine",)}
    assert not capsys.readouterr().err


@pytest.mark.parametrize("codec", [*UNICODE, "latin-1"])
@pytest.mark.parametrize("suffix", [".txt", ".json"])
def test_members_of_tar_shards_are_decoded_alike(
    suffix: str, codec: str, tmp_path: pathlib.Path, read: Read
) -> None:
    text = CAPTION if suffix == ".txt" else json.dumps({"caption": CAPTION}, ensure_ascii=False)
    write(tmp_path, in_shard(text.encode(codec), suffix))
    encoding = "latin-1" if codec == "latin-1" else None
    assert captions(read("webdataset", encoding=encoding)) == {"0.tar/a": (CAPTION,)}
    if codec == "latin-1":
        with pytest.raises(UsageError, match="caption is not UTF-8"):
            read("webdataset")


def test_the_table_of_captions_file_is_decoded_alike(tmp_path: pathlib.Path, read: Read) -> None:
    table = write(tmp_path / "other", {"own.csv": FORMS["captions.csv"].encode("latin-1")})
    write(tmp_path / "images", {"a.png": png()})
    options = {"input_dir": str(tmp_path / "images"), "captions_file": str(table / "own.csv")}
    with pytest.raises(UsageError, match=r"a\.png: caption is not UTF-8"):
        read("folder", **options)
    assert captions(read("folder", encoding="cp1252", **options)) == {"a.png": (CAPTION,)}


def test_bytes_outside_the_named_encoding_are_rejected_by_its_name(
    tmp_path: pathlib.Path, read: Read, capsys: pytest.CaptureFixture
) -> None:
    write(tmp_path, {"a.png": png(), "a.txt": b"x \x81", "b.png": png(), "b.txt": "fine"})
    assert reasons(read("folder", encoding="cp1252")) == {"a.png": "caption is not cp1252"}
    assert capsys.readouterr().err == "warning: 1 captions are not cp1252\n"


def test_a_file_of_nuls_is_rejected_and_a_nul_in_a_caption_is_a_space(
    tmp_path: pathlib.Path, read: Read
) -> None:
    write(
        tmp_path,
        {"a.png": png(), "a.txt": bytes(400), "b.png": png(), "b.txt": b"red\0bird"},
    )
    collection = read("folder")
    assert captions(collection) == {"b.png": ("red bird",)}
    assert reasons(collection) == {"a.png": "caption is no text: it has many control characters"}


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_captions_are_composed(form: str, tmp_path: pathlib.Path, read: Read) -> None:
    write(tmp_path, {"a.png": png(), "a.txt": unicodedata.normalize(form, CAPTION)})
    assert captions(read("folder")) == {"a.png": (CAPTION,)}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    content=st.binary(max_size=80) | st.text(max_size=30).map(lambda it: it.encode("utf-16")[:-1]),
    name=st.sampled_from([*FORMS, "0.tar"]),
    encoding=st.sampled_from([None, "cp1252", "utf-16", "shift_jis"]),
)
def test_any_bytes_are_captions_or_rejects(
    content: bytes, name: str, encoding: str | None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder: pathlib.Path = tmp_path_factory.mktemp("any")
    source, files = "folder", {"a.png": png(), "b.png": png(), "b.txt": "fine", name: content}
    if name == "0.tar":
        source, files = "webdataset", in_shard(content, ".txt")
    options = sources.SourceOptions(
        image_size=16, input_dir=str(write(folder, files)), encoding=encoding
    )
    try:
        collection = sources.read(source, options)
    except UsageError:
        return
    for texts in captions(collection).values():
        assert all(text.encode() for text in texts)
