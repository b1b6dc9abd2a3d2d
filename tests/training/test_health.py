"""Which warning is given when, of made-up logs."""

from collections.abc import Iterator

import pytest

from tfgan2.adversarial.gan import DiscriminatorStatistics
from tfgan2.training import health
from tfgan2.training.health import Health, Notice

REAL, FAKE, LOSS = "discriminator/real_logit", "discriminator/fake_logit", "discriminator/loss"
STATISTICS = DiscriminatorStatistics(REAL, FAKE, {LOSS: 2.0})
WINDOW = 50


def make(*, scales_loss: bool = False) -> Health:
    return Health(discriminator=STATISTICS, scales_loss=scales_loss, max_bad_steps=20)


def parts(
    *, gap: float = 2.0, norm: float = 1.0, loss: float = 1.0, skipped: float | None = None
) -> dict[str, float]:
    found = {
        LOSS: loss,
        "generator/gradient_norm": norm,
        REAL: gap,
        FAKE: 0.0,
    }
    return found if skipped is None else {**found, "generator/skipped_updates": skipped}


def windows(watched: Health, *seen: tuple[dict[str, float], float | None]) -> Iterator[str]:
    """The kinds of the warnings after windows of steps that are all alike, of a spread each."""
    for number, (step, spread) in enumerate(seen):
        for _ in range(WINDOW):
            watched.after_step(step, whole=True)
            assert watched.bad_step() is None
        notice = watched.after_window((number + 1) * WINDOW, spread)
        yield "" if notice is None else notice.kind


def test_a_healthy_game_is_not_warned_of() -> None:
    seen = [(parts(gap=9.0, norm=norm), 30.0) for norm in (1.0, 3.0, 0.2, 20.0, 2.0)]
    assert list(windows(make(), *seen)) == [""] * 5
    wide = [(parts(), spread) for spread in (3.0, 40.0, 60.0, 40.0, 38.0, 40.0)]
    assert list(windows(make(), *wide)) == [""] * 6


def test_a_discriminator_that_has_won_is_named_once_until_it_has_not() -> None:
    lost, won = (parts(), 30.0), (parts(gap=25.0), 30.0)
    given = list(windows(make(), lost, won, won, lost, won))
    assert given == ["", health.SATURATED, "", "", health.SATURATED]


def test_a_discriminator_that_is_worse_than_guessing_is_named() -> None:
    seen = [(parts(loss=loss), 30.0) for loss in (2.2, 2.7, 2.2)]
    assert list(windows(make(), *seen)) == ["", health.SATURATED, ""]
    watched = make()
    watched.after_step(parts(loss=1e9), whole=True)  # A single step is none.
    assert list(windows(watched, (parts(loss=2.0), 30.0))) == [""]


def test_a_norm_that_grows_a_hundredfold_is_named() -> None:
    seen = [(parts(norm=norm), 30.0) for norm in (1.0, 2.0, 1.0, 150.0, 150.0)]
    assert list(windows(make(), *seen)) == [""] * 3 + [health.EXPLODING, ""]


def test_a_single_large_norm_is_not() -> None:
    watched = make()
    assert list(windows(watched, *[(parts(), 30.0)] * 3)) == [""] * 3
    watched.after_step(parts(norm=1e9), whole=True)
    assert list(windows(watched, (parts(), 30.0))) == [""]


def test_pictures_of_a_caption_that_become_alike_are_named_at_the_second_sight() -> None:
    seen = [(parts(), spread) for spread in (30.0, 10.0, 30.0, 9.0, 8.0, 8.0)]
    assert list(windows(make(), *seen)) == [""] * 4 + [health.FALLING, ""]


def test_pictures_that_never_differ_are_named_after_the_start() -> None:
    assert list(windows(make(), *[(parts(), 0.2)] * 3)) == ["", "", health.FALLING]
    resumed = make()
    resumed.remember(40.0)
    assert list(windows(resumed, *[(parts(), 5.0)] * 2)) == ["", health.FALLING]


def test_the_gravest_trouble_explains_the_others() -> None:
    watched = make()
    healthy = [(parts(), 30.0)] * 3
    worse = [(parts(gap=1e3, norm=1e9), 0.0)] * 3
    assert list(windows(watched, *healthy, *worse)) == [""] * 3 + [health.SATURATED, "", ""]


def test_what_is_not_finite_is_named_at_once_and_ends_the_run() -> None:
    watched = make()
    watched.after_step(parts(), whole=True)
    assert watched.bad_step() is None
    watched.after_step(parts(loss=float("nan")), whole=True)
    notice = watched.bad_step()
    assert isinstance(notice, Notice)
    assert notice.kind == health.NON_FINITE
    assert "discriminator/loss is not finite" in notice.text
    for _ in range(18):
        watched.after_step(parts(loss=float("inf")), whole=True)
        assert watched.bad_step() is None
        assert not watched.should_abort
    watched.after_step(parts(loss=float("nan")), whole=True)
    assert watched.should_abort


def test_several_steps_in_a_call_count_as_many() -> None:
    watched = make()
    watched.after_step(parts(loss=float("nan")), whole=True, steps=20)
    assert watched.should_abort


@pytest.mark.parametrize("loss", [1.0, float("inf")])
def test_in_float16_a_few_skipped_steps_are_normal(loss: float) -> None:
    watched = make(scales_loss=True)
    skipped = 0.0
    for step in range(200):
        bad = step < 8 or step % 7 == 0
        skipped += bad
        watched.after_step(parts(loss=loss if bad else 1.0, skipped=skipped), whole=True)
        assert watched.bad_step() is None
    assert watched.bad_steps == 0


def test_in_float16_steps_that_are_all_skipped_end_the_run() -> None:
    watched = make(scales_loss=True)
    watched.after_step(parts(skipped=3.0), whole=True)  # Of an earlier start.
    assert watched.bad_steps == 0
    said = []
    for number in range(20):
        assert not watched.should_abort
        watched.after_step(parts(skipped=4.0 + number), whole=True)
        said.append(watched.bad_step())
    assert watched.should_abort
    (notice,) = (it for it in said if it is not None)
    assert said.index(notice) == 10
    assert "the gradient of generator is not finite" in notice.text


def test_a_step_in_which_not_all_move_does_not_end_a_row() -> None:
    watched = make(scales_loss=True)
    for number in range(20):
        watched.after_step(parts(skipped=float(number)), whole=True)
        watched.after_step(parts(), whole=False)
    assert watched.bad_steps == 19
