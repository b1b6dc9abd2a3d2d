"""tools.gpu_report: checks in programs of their own, limits of time, the page."""

import json
import pathlib

import pytest

from tests import programs
from tools.gpu_checks import all_checks, contract, outcome, page, running, training
from tools.gpu_checks.outcome import FAILED, NOT_RUN, PASSED, UNFINISHED, Outcome, Setting
from tools.gpu_checks.running import Ended

TINY = {"steps": 4, "precision": "float32", "image_size": 32, "batch_size": 4}
PYTEST_LINES = (
    "tests/contract/test_steps.py::test_one[a-b c] PASSED          [ 50%]",
    "tests/contract/test_steps.py::test_two[x] FAILED              [ 75%]",
    "tests/contract/test_steps.py::test_three ",
)


@pytest.fixture
def setting(tmp_path: pathlib.Path) -> Setting:
    return Setting(tmp_path, **TINY)


def ended(code: int | None, *lines: str) -> Ended:
    return Ended(code, 1.0, lines)


def test_program_that_needs_too_long_is_ended(tmp_path: pathlib.Path) -> None:
    server = ("http.server", "0", "--bind=127.0.0.1")
    found = running.run(*server, seconds=0.2, log=tmp_path / "log")
    assert found.code is None
    assert found.result == UNFINISHED


def test_program_that_fails_shows_its_last_lines(tmp_path: pathlib.Path) -> None:
    found = running.run("tools.no_such_program", seconds=60, log=tmp_path / "log")
    assert found.result == FAILED
    assert "No module named tools.no_such_program" in found.last_lines[-1]


@pytest.mark.parametrize(
    ("value", "code", "result"),
    [(0.5, 0, PASSED), (float("nan"), 0, FAILED), (0.5, None, UNFINISHED), (0.5, 1, FAILED)],
)
def test_training_passes_if_all_losses_are_finite(
    value: float,
    code: int | None,
    result: str,
    setting: Setting,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def run(*command: str, seconds: float, log: pathlib.Path) -> Ended:
        lines = [
            {
                "step": step,
                "generator/loss": value,
                "images_per_second": rate,
                "a/skipped_updates": 1,
            }
            for step, rate in ((2, 1.0), (4, 8.0))
        ]
        (setting.folder / "run").mkdir()
        text = "".join(json.dumps(it) + "\n" for it in lines) + '{"step": 5, "gene'
        (setting.folder / "run" / "metrics.jsonl").write_text(text)
        return ended(code)

    monkeypatch.setattr(running, "run", run)
    found = training.one_device(setting, seconds=1.0)
    assert found.result == result
    # The first interval has the tracing of the graph in it.
    assert "4 of 4 steps of 4 images, 8.0 images/s, 1 updates skipped" in found.summary
    assert found.figures["not_finite"] == (["generator/loss"] if value != value else [])


def test_each_replica_has_a_whole_batch(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    commands = []
    monkeypatch.setattr(running, "run", lambda *it, **_: commands.append(it) or ended(1, "no"))
    training.all_gpus(Setting(setting.folder, **TINY, gpus=3), seconds=1.0)
    assert "--batch_size=12" in commands[0]


@pytest.mark.parametrize(("code", "result"), [(1, FAILED), (None, UNFINISHED)])
def test_contract_tests_that_ended_before_the_time_was_over_count(
    code: int | None, result: str, setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "run", lambda *_, **__: ended(code, *PYTEST_LINES))
    found = contract.check(setting, seconds=1.0)
    assert found.result == result
    assert found.summary.startswith("1 tests passed, 1 failed")
    assert found.figures["failed"] == ["tests/contract/test_steps.py::test_two[x]"]


def test_checks_without_what_they_need_are_not_run_and_others_are(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(setting: Setting, *, seconds: float) -> Outcome:
        return Outcome(FAILED, "no")

    def passes(setting: Setting, *, seconds: float) -> Outcome:
        return Outcome(PASSED, "yes")

    checks = {"data set": (fails, 0.5), "XLA": (passes, 0.2), "contract tests": (passes, 0.1)}
    monkeypatch.setattr(all_checks, "CHECKS", checks)
    found = dict(all_checks.outcomes(setting, seconds=1.0))
    assert [it.result for it in found.values()] == [FAILED, NOT_RUN, PASSED]


def test_page_has_a_row_for_each_check_and_the_lines_of_those_that_failed() -> None:
    machine = {"processor": "P", "cores": 2, "system": "S", "versions": {"python": "3.11"}}
    done = {
        "devices": Outcome(PASSED, "no GPU", {"machine": machine}),
        "XLA": Outcome(FAILED, "a | b", output=("Traceback", "E: no")),
    }
    text = page.markdown(done, day="2026-01-02")
    assert "P, 2 cores, S; python 3.11" in text
    assert "| XLA | FAILED | 0 | a \\| b |" in text
    assert "    Traceback\n    E: no\n" in text
    assert json.loads(page.to_json(done, day="2026-01-02"))["checks"][1]["result"] == FAILED


def test_folder_with_files_is_refused(tmp_path: pathlib.Path) -> None:
    (tmp_path / "mine.txt").write_text("x")
    error = programs.error_of("tools.gpu_report", f"--output_dir={tmp_path}")
    assert error.startswith("--output_dir: must be absent or an empty folder")


@pytest.mark.slow
def test_checks_pass_on_this_machine_with_small_sizes(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("devices", "data set", "training", "all GPUs", "export", "auto_write")
    monkeypatch.setattr(all_checks, "CHECKS", {it: all_checks.CHECKS[it] for it in names})
    found = dict(all_checks.outcomes(setting, seconds=6000.0))
    assert {name: it.result for name, it in found.items()} == dict.fromkeys(names, outcome.PASSED)
    assert found["export"].figures["export and run"]["mean"] < 0.01
    assert found["auto_write"].figures["results"][0]["images_per_second"]["median"] > 0
