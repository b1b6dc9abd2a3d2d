"""The parts of the clients: targets, metadata, waits, sheets."""

import io
import pathlib

import grpc
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from serving.client import Client, Picture, Pictures, Retry, Tls
from serving.client.connection import checked_metadata, parse_target
from serving.client.retry import Attempts
from tests.serving import stub as stubs

UNAVAILABLE = grpc.StatusCode.UNAVAILABLE


def test_targets() -> None:
    for target, addresses in (
        ("localhost:8500", ["localhost:8500"]),
        ("a:1,b-2.example:65535", ["a:1", "b-2.example:65535"]),
        ("[::1]:8500,10.0.0.1:8500", ["[::1]:8500", "10.0.0.1:8500"]),
        ("unix:/run/serving.sock", ["unix:/run/serving.sock"]),
        ("dns:///serving.default:8500", ["dns:///serving.default:8500"]),
        ("ipv4:10.0.0.1:1,10.0.0.2:1", ["ipv4:10.0.0.1:1,10.0.0.2:1"]),
    ):
        assert parse_target(target) == addresses


BAD_TARGETS = ["", "localhost", "a:1,", "a:1, b:2", "a:0", "a:65536", "a:b", "::1:8500"]


@pytest.mark.parametrize("target", [*BAD_TARGETS, "http://a:1", "a:1/"])
def test_bad_targets(target: str) -> None:
    with pytest.raises(ValueError, match=r"^target: must be host:port, or several"):
        parse_target(target)


@given(st.text() | st.from_regex(r"[a-z:,.0-9\[\]]*", fullmatch=True))
@example("a:٣")
def test_any_target_is_read_or_refused(target: str) -> None:
    try:
        addresses = parse_target(target)
    except ValueError as error:
        assert str(error).startswith("target: ")  # noqa: PT017
    else:
        assert ",".join(addresses) == target


def test_metadata_that_grpc_would_not_send_is_refused() -> None:
    kinds = "must be bytes where the key ends with -bin, and else str, got"
    for key, value, rule in (
        ("Authorization", "x", "must have keys of a-z"),
        ("grpc-timeout", "x", "must have keys of a-z"),
        ("", "x", "must have keys of a-z"),
        ("trace-bin", "x", f"{kinds} str"),
        ("trace", b"x", f"{kinds} bytes"),
        ("trace", "é", "must be printable ASCII"),
        ("trace", "secret\n", "must be printable ASCII, got something else for trace$"),
    ):
        with pytest.raises(ValueError, match=rf"^metadata: {rule}"):
            checked_metadata([("fine", "1"), (key, value)])


def test_waits_double_up_to_the_longest() -> None:
    retry = Retry(first_seconds=0.1, factor=2.0, longest_seconds=1.0)
    for number, planned in enumerate([0.1, 0.2, 0.4, 0.8, 1.0, 1.0], start=1):
        for _ in range(20):
            assert 0.8 * planned <= retry.wait_seconds(number) <= 1.2 * planned
    assert len({retry.wait_seconds(1) for _ in range(20)}) > 1
    assert retry.wait_seconds(10**6) <= 1.2


def test_impossible_retries_are_refused() -> None:
    bad = {"attempts": 0, "first_seconds": -0.1, "factor": 0.5, "longest_seconds": float("nan")}
    for name, value in bad.items():
        with pytest.raises(ValueError, match=f"^{name}: must be at least"):
            Retry(**{name: value})


def test_every_address_is_tried_once_before_a_wait() -> None:
    retry = Retry(attempts=7, first_seconds=1.0, factor=2.0)
    attempts = Attempts(retry, first_address=2, addresses=3, timeout_seconds=60.0)
    tried, waits = [attempts.address], []
    while (wait_seconds := attempts.fail(UNAVAILABLE)) is not None:
        tried.append(attempts.address)
        waits.append(round(wait_seconds))
    assert tried == [2, 0, 1, 2, 0, 1, 2]
    assert waits == [0, 0, 1, 0, 0, 2]


def test_all_attempts_share_one_deadline() -> None:
    now_seconds = 100.0
    retry = Retry(attempts=9, first_seconds=2.0, factor=1.0)
    attempts = Attempts(
        retry, first_address=0, addresses=1, timeout_seconds=10.0, clock_seconds=lambda: now_seconds
    )
    assert attempts.remaining_seconds == 10.0
    now_seconds = 105.0
    assert attempts.fail(UNAVAILABLE) is not None
    assert attempts.remaining_seconds == 5.0
    now_seconds = 108.5  # The remaining time is shorter than the shortest wait.
    assert attempts.fail(UNAVAILABLE) is None


def test_timeouts_are_above_zero() -> None:
    with pytest.raises(ValueError, match=r"^timeout_seconds: must be above 0, got 0"):
        Client("localhost:1", model="stub", timeout_seconds=0)


CERTIFICATE = b"-----BEGIN CERTIFICATE-----\n"
KEY = b"-----BEGIN EC PRIVATE KEY-----\n"


def test_certificates_that_cannot_be_are_refused() -> None:
    together = "certificate and key must be given together"
    for parts, rule in (
        ({"ca": b""}, "ca: must hold a CERTIFICATE in PEM"),
        ({"ca": KEY}, "ca: must hold a CERTIFICATE in PEM"),
        ({"certificate": KEY, "key": KEY}, "certificate: must hold a CERTIFICATE in PEM"),
        ({"certificate": CERTIFICATE, "key": CERTIFICATE}, "key: must hold a PRIVATE KEY in PEM"),
        ({"certificate": CERTIFICATE}, f"key: {together}"),
        ({"key": KEY}, f"certificate: {together}"),
    ):
        with pytest.raises(ValueError, match=f"^{rule}"):
            Tls(**parts)


def drawn(count: int) -> Pictures:
    return Pictures(
        Picture(png=stubs.png(stubs.picture(seed)), seed=seed, unknown_words=0)
        for seed in range(count)
    )


def pixels_of(png: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(png)) as file:
        return np.asarray(file)


def test_a_sheet_is_laid_out_row_by_row(tmp_path: pathlib.Path) -> None:
    pictures = drawn(5)
    pictures.save(tmp_path / "new" / "sheet.png", columns=2)
    pixels = pixels_of((tmp_path / "new" / "sheet.png").read_bytes())
    assert pixels.shape == (3 * 2, 2 * 3, 3)
    np.testing.assert_array_equal(pixels[2:4, 3:6], stubs.picture(3))
    np.testing.assert_array_equal(pixels[4:6, 0:3], stubs.picture(4))
    assert (pixels[4:6, 3:6] == 255).all()
    np.testing.assert_array_equal(pictures.image(columns=2), pixels)


def test_a_notebook_shows_one_picture_or_a_sheet_of_several() -> None:
    pictures = drawn(10)
    assert pictures[3]._repr_png_() == pictures[3].png
    assert pixels_of(pictures._repr_png_()).shape == (2 * 2, 8 * 3, 3)
    assert pixels_of(pictures[:2]._repr_png_()).shape == (2, 2 * 3, 3)
    assert Pictures()._repr_png_() is None
    assert repr(pictures[3]).startswith("Picture(seed=3, ")


def test_pictures_are_saved_as_png_only(tmp_path: pathlib.Path) -> None:
    pictures = drawn(2)
    pictures[1].save(tmp_path / "one.PNG")
    assert (tmp_path / "one.PNG").read_bytes() == pictures[1].png
    for savable in (pictures, pictures[0]):
        with pytest.raises(ValueError, match=r"^path: must end with \.png .*, got .*one\.jpg$"):
            savable.save(tmp_path / "one.jpg")
    assert [path.name for path in tmp_path.iterdir()] == ["one.PNG"]
    with pytest.raises(ValueError, match=r"^columns: must be at least 1, got 0"):
        pictures.sheet(columns=0)
    with pytest.raises(ValueError, match=r"^pictures: must be at least one for a sheet"):
        Pictures().sheet()
