"""Decoding of text files: marks, UTF-16 without a mark, named encodings, and errors."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plain_text import decoding
from plain_text.decoding import EncodingError, UTF8Stream, decode, decode_leniently, detect

SCRIPTS = [
    "ein roter Käfer",
    "красная птица на дереве",
    "ένα μικρό πουλί",
    "ציפור אדומה קטנה",
    "طائر أحمر صغير",
    "यह एक काला कुत्ता है",
    "นก สีแดง ตัวเล็ก",
    "a bird",
]
ENCODINGS = st.sampled_from(
    [None, "cp1252", "latin-1", "utf-16-le", "utf-16", "shift_jis", "utf-7"]
)
CONTENTS = (
    st.binary(max_size=200)
    | st.text(max_size=60).map(lambda text: text.encode("utf-16-le", "surrogatepass"))
    | st.text(max_size=60).map(lambda text: text.encode("utf-16", "surrogatepass")[:-1])
)


@pytest.mark.parametrize("text", [*SCRIPTS, "赤い鳥が空を飛ぶ"])
@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_decides_also_against_the_named_encoding(text: str, codec: str) -> None:
    assert decode(text.encode(codec)) == text
    if codec != "utf-8":
        assert decode(text.encode(codec), "cp1252") == text


@pytest.mark.parametrize("text", SCRIPTS)
@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_a_mark_is_recognized_by_its_nuls(text: str, codec: str) -> None:
    assert detect(text.encode(codec)) == codec
    assert decode(text.encode(codec)) == text


@pytest.mark.parametrize("text", ["кот", "鳥", "赤い鳥\n空を飛ぶ\n"])
def test_other_utf_16_without_a_mark_is_refused_and_read_by_its_name(text: str) -> None:
    content = text.encode("utf-16-le")
    if content != "鳥".encode("utf-16-le"):
        with pytest.raises(EncodingError):
            decode(content)
    assert decode(content, "utf-16-le") == text


@pytest.mark.parametrize("text", ["red\0bird", "a\0b\n", "a\tb\tc\td\n\0e\tf\n"])
def test_text_with_few_nuls_is_text(text: str) -> None:
    assert decode(text.encode()) == text


@pytest.mark.parametrize("content", [bytes(100), b"\x01\x02" * 9, b"a" + bytes(99)])
def test_a_file_of_control_characters_is_no_text(content: bytes) -> None:
    with pytest.raises(EncodingError, match="no text in utf-8: it has many control characters"):
        decode(content)


@pytest.mark.parametrize("codec", ["latin-1", "cp1252"])
def test_other_bytes_are_refused_with_line_guess_and_advice(codec: str) -> None:
    content = "a bird\nein größerer Käfer\nschöne Blumen\n".encode(codec)
    rule = r"^line 2 is not UTF-8 but perhaps cp1252 \('ein größerer Käfer'\); if so, "
    with pytest.raises(EncodingError, match=rf"{rule}--encoding=cp1252 reads it$"):
        decode(content)
    with pytest.raises(EncodingError, match=f"{rule}iconv --from-code=cp1252"):
        decode(content, flag=None)
    assert decode(content, codec).splitlines()[1] == "ein größerer Käfer"


def test_bytes_outside_the_named_encoding_are_refused_by_its_name() -> None:
    with pytest.raises(EncodingError, match=r"^line 3 is not cp1252"):
        decode(b"a\nb\n\x81\n", "cp1252")


@given(CONTENTS, ENCODINGS)
def test_any_bytes_give_text_or_an_encoding_error(content: bytes, encoding: str | None) -> None:
    lenient = decode_leniently(content, encoding)
    try:
        text = decode(content, encoding)
    except EncodingError:
        return
    assert text == lenient


@given(CONTENTS, ENCODINGS)
def test_a_stream_gives_the_text_in_utf_8(content: bytes, encoding: str | None) -> None:
    try:
        text = decode(content, encoding)
    except EncodingError:
        return
    stream = io.BufferedReader(UTF8Stream(io.BytesIO(content), encoding))
    assert stream.read() == text.encode("utf-8", "replace")


@pytest.mark.parametrize("before", ["a\n", "äö\n" * 40_000])
def test_a_stream_names_the_line_that_is_not_in_the_encoding(before: str) -> None:
    content = before.encode("cp1252") + b"b \x81\n"
    lines = before.count("\n")
    with pytest.raises(EncodingError, match=rf"^line {lines + 1} is not cp1252"):
        io.BufferedReader(UTF8Stream(io.BytesIO(content), "cp1252")).read()


@pytest.mark.parametrize("name", ["cp1252", "latin-1", "UTF-16LE", "shift_jis"])
def test_names_of_text_encodings_are_accepted(name: str) -> None:
    decoding.check_name(name)


@pytest.mark.parametrize("name", ["", "hex", "rot13", "cp9999", "a\0b"])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="must be a text encoding of Python"):
        decoding.check_name(name)
