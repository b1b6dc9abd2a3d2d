"""Health warnings for made-up logs."""

from collections.abc import Iterator

import pytest

from tfgan2.adversarial.gan import DiscriminatorStatistics
from tfgan2.training import health
from tfgan2.training.health import Health, Notice

REAL, FAKE, LOSS = "discriminator/real_logit", "discriminator/fake_logit", "discriminator/loss"
STATISTICS = DiscriminatorStatistics({LOSS: 2.0}, REAL, FAKE)
WINDOW = 50


def make(*, scales_loss: bool = False) -> Health:
    return Health(discriminator=STATISTICS, scales_loss=scales_loss, max_bad_steps=20)


def parts(
    *, gap: float = 2.0, norm: float = 1.0, loss: float = 1.0, skipped: float | None = None
) -> dict[str, float]:
    found = {LOSS: loss, "generator/gradient_norm": norm, REAL: gap, FAKE: 0.0}
    return found if skipped is None else {**found, "generator/skipped_updates": skipped}


def windows(watched: Health, *logs: tuple[dict[str, float], float | None]) -> Iterator[str]:
    """Kinds of the warnings after windows of equal steps, each with a within-caption deviation."""
    for number, (step, spread) in enumerate(logs):
        for _ in range(WINDOW):
            watched.after_step(step, whole=True)
            assert watched.bad_step() is None
        notice = watched.after_window((number + 1) * WINDOW, spread)
        yield "" if notice is None else notice.kind


def test_healthy_training_gives_no_warning() -> None:
    logs = [(parts(gap=9.0, norm=norm), 30.0) for norm in (1.0, 3.0, 0.2, 20.0, 2.0)]
    assert list(windows(make(), *logs)) == [""] * 5
    wide = [(parts(), spread) for spread in (3.0, 40.0, 60.0, 40.0, 38.0, 40.0)]
    assert list(windows(make(), *wide)) == [""] * 6


def test_saturated_discriminator_gives_one_warning_until_it_recovers() -> None:
    healthy, saturated = (parts(), 30.0), (parts(gap=25.0), 30.0)
    given = list(windows(make(), healthy, saturated, saturated, healthy, saturated))
    assert given == ["", health.SATURATED, "", "", health.SATURATED]


def test_discriminator_loss_above_the_chance_loss_gives_a_warning() -> None:
    logs = [(parts(loss=loss), 30.0) for loss in (2.2, 2.7, 2.2)]
    assert list(windows(make(), *logs)) == ["", health.SATURATED, ""]
    watched = make()
    watched.after_step(parts(loss=1e9), whole=True)  # A single step gives no warning.
    assert list(windows(watched, (parts(loss=2.0), 30.0))) == [""]


def test_hundredfold_gradient_norm_gives_a_warning() -> None:
    logs = [(parts(norm=norm), 30.0) for norm in (1.0, 2.0, 1.0, 150.0, 150.0)]
    assert list(windows(make(), *logs)) == [""] * 3 + [health.EXPLODING, ""]


def test_single_large_gradient_norm_gives_no_warning() -> None:
    watched = make()
    assert list(windows(watched, *[(parts(), 30.0)] * 3)) == [""] * 3
    watched.after_step(parts(norm=1e9), whole=True)
    assert list(windows(watched, (parts(), 30.0))) == [""]


def test_second_low_within_caption_deviation_gives_a_warning() -> None:
    logs = [(parts(), spread) for spread in (30.0, 10.0, 30.0, 9.0, 8.0, 8.0)]
    assert list(windows(make(), *logs)) == [""] * 4 + [health.FALLING, ""]


def test_images_that_never_differ_give_a_warning_after_the_start() -> None:
    assert list(windows(make(), *[(parts(), 0.2)] * 3)) == ["", "", health.FALLING]
    resumed = make()
    resumed.remember(40.0)
    assert list(windows(resumed, *[(parts(), 5.0)] * 2)) == ["", health.FALLING]


def test_only_the_most_severe_failure_gives_a_warning() -> None:
    watched = make()
    healthy = [(parts(), 30.0)] * 3
    worse = [(parts(gap=1e3, norm=1e9), 0.0)] * 3
    assert list(windows(watched, *healthy, *worse)) == [""] * 3 + [health.SATURATED, "", ""]


def test_non_finite_values_give_a_warning_at_once_and_end_the_run() -> None:
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


def test_steps_per_execution_count_as_that_many_bad_steps() -> None:
    watched = make()
    watched.after_step(parts(loss=float("nan")), whole=True, steps=20)
    assert watched.should_abort


@pytest.mark.parametrize("loss", [1.0, float("inf")])
def test_few_skipped_steps_in_float16_give_no_warning(loss: float) -> None:
    watched = make(scales_loss=True)
    skipped = 0.0
    for step in range(200):
        bad = step < 8 or step % 7 == 0
        skipped += bad
        watched.after_step(parts(loss=loss if bad else 1.0, skipped=skipped), whole=True)
        assert watched.bad_step() is None
    assert watched.bad_steps == 0


def test_skipping_every_step_in_float16_ends_the_run() -> None:
    watched = make(scales_loss=True)
    watched.after_step(parts(skipped=3.0), whole=True)  # Skipped before this start.
    assert watched.bad_steps == 0
    notices = []
    for number in range(20):
        assert not watched.should_abort
        watched.after_step(parts(skipped=4.0 + number), whole=True)
        notices.append(watched.bad_step())
    assert watched.should_abort
    (notice,) = (it for it in notices if it is not None)
    assert notices.index(notice) == 10
    assert "the gradient of generator is not finite" in notice.text


def test_step_without_all_updates_does_not_reset_the_bad_steps() -> None:
    watched = make(scales_loss=True)
    for number in range(20):
        watched.after_step(parts(skipped=float(number)), whole=True)
        watched.after_step(parts(), whole=False)
    assert watched.bad_steps == 19
