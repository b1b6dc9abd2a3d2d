"""Retrieval: ranks, candidates and chance."""

from collections.abc import Sequence

import numpy as np
import pytest

from tfgan2.metrics import text_image
from tfgan2.metrics.text_image import proportion

RANKS = (1, 5, 10)


def random_codes(count: int, size: int = 8, *, seed: int = 0) -> np.ndarray:
    codes = np.random.default_rng(seed).normal(size=(count, size))
    return codes / np.linalg.norm(codes, axis=1, keepdims=True)


def retrieval(
    images: np.ndarray, sentences: np.ndarray, texts: list[str], *, ranks: Sequence[int], seed: int
) -> dict[str, dict[str, float]]:
    """Retrieval with one caption per row; rows with the same caption form a group."""
    groups = np.array([texts.index(text) for text in texts])
    own = np.arange(len(texts))
    return text_image.retrieval(images, sentences, own=own, groups=groups, ranks=ranks, seed=seed)


def captions(count: int) -> list[str]:
    return [f"caption {number}" for number in range(count)]


def test_perfect_codes_give_1() -> None:
    codes = random_codes(300)
    result = retrieval(codes, codes, captions(300), ranks=RANKS, seed=0)
    assert list(result) == ["r1", "r5", "r10"]
    for rank in RANKS:
        assert result[f"r{rank}"]["value"] == result[f"r{rank}"]["high"] == 1.0
        assert result[f"r{rank}"]["low"] < 1.0
        assert result[f"r{rank}"]["chance"] == pytest.approx(rank / 100)


def test_random_codes_give_about_chance() -> None:
    images, sentences = random_codes(3000), random_codes(3000, seed=1)
    result = retrieval(images, sentences, captions(3000), ranks=RANKS, seed=0)
    for rank in RANKS:
        found = result[f"r{rank}"]
        assert found["low"] < found["chance"] < found["high"]
        assert found["value"] == pytest.approx(rank / 100, rel=0.35)


def test_rank_is_that_among_all_rows_when_all_are_candidates() -> None:
    images, sentences = random_codes(100), random_codes(100, seed=1)
    images = images + sentences
    scores = images @ sentences.T
    places = [sum(scores[row] >= scores[row, row]) - 1 for row in range(100)]
    result = retrieval(images, sentences, captions(100), ranks=range(1, 101), seed=0)
    for rank in range(1, 101):
        expected = sum(place < rank for place in places) / 100
        assert result[f"r{rank}"]["value"] == pytest.approx(expected)
    assert len(set(places)) > 10


def test_ties_count_as_misses() -> None:
    same = np.ones((200, 4))
    result = retrieval(same, same, captions(200), ranks=(1, 99, 100), seed=0)
    assert [found["value"] for found in result.values()] == [0.0, 0.0, 1.0]


def test_nan_codes_count_as_misses() -> None:
    codes = np.full((200, 4), np.nan)
    assert retrieval(codes, codes, captions(200), ranks=(1,), seed=0)["r1"]["value"] == 0.0


def test_rows_with_the_same_caption_are_never_candidates() -> None:
    codes = random_codes(60)
    twice, texts = np.repeat(codes, 2, axis=0), np.repeat(captions(60), 2).tolist()
    found = retrieval(twice, twice, texts, ranks=(1,), seed=0)["r1"]
    assert found["value"] == 1.0
    # As candidates, they would tie with the row's own caption.
    assert retrieval(twice, twice, captions(120), ranks=(1,), seed=0)["r1"]["value"] < 0.5


def test_chance_accounts_for_rows_with_the_same_caption() -> None:
    codes = random_codes(10)
    texts = ["one"] * 6 + captions(4)
    # Six rows have four candidates, four rows have nine.
    expected = (6 / 5 + 4 / 10) / 10
    found = retrieval(codes, codes, texts, ranks=(1,), seed=0)["r1"]
    assert found["chance"] == pytest.approx(expected)


@pytest.mark.parametrize(("count", "candidates"), [(10, 10), (99, 99), (100, 100), (150, 100)])
def test_chance_accounts_for_fewer_than_100_rows(count: int, candidates: int) -> None:
    codes = random_codes(count)
    result = retrieval(codes, codes, captions(count), ranks=(1, 5, 20), seed=0)
    for rank in (1, 5, 20):
        expected = min(1.0, rank / candidates)
        assert result[f"r{rank}"]["chance"] == pytest.approx(expected)


def test_seed_determines_the_candidates() -> None:
    images, sentences = random_codes(500), random_codes(500, seed=1)
    one, same, other = (
        retrieval(images, sentences, captions(500), ranks=range(1, 100), seed=seed)
        for seed in (3, 3, 4)
    )
    assert one == same
    assert one != other


@pytest.mark.parametrize(("hits", "count"), [(0, 20), (1, 20), (90, 100), (20, 20), (1, 1)])
def test_interval_ends_are_1_96_standard_deviations_from_the_fraction(
    hits: int, count: int
) -> None:
    result = proportion(np.arange(count) < hits)
    share = hits / count
    assert result["value"] == pytest.approx(share)
    assert 0.0 <= result["low"] <= share <= result["high"] <= 1.0
    for end in (result["low"], result["high"]):
        # The ends of Wilson's interval solve this equation; at 0 and 1 both sides are 0.
        deviation = np.sqrt(end * (1 - end) / count)
        assert abs(share - end) == pytest.approx(1.959964 * deviation, abs=1e-9)
