"""The public commands as a user types them: their output and their errors."""

import dataclasses
import os
import pathlib
import re
import signal
import subprocess
import sys

import pytest

from tests import flags, programs
from tests.tiny import QUICK
from tfgan2.runs.directory import RunDirectory
from tfgan2.runs.recipe import MATCHING_MODELS, OPTIONS, Recipe, Schedule, option_names

NEW_RUN = "--data_dir={data} --run_dir={tmp}/run"
TRAIN = f"tfgan2.train --recipe=digits_df_gan {NEW_RUN}"
PREPARE = "tools.prepare --output_dir={tmp}/out --source"
EVALUATE = "tools.evaluate --run_dir={run} --data_dir={data}"
IMPORT = "tools.import_weights --run_dir={tmp}/run --text_encoder"
# A place below a file cannot be made.
UNMAKEABLE = "{run}/config.json/x"
UNUSABLE = "must be readable, or have room and be writable"
CLIENT = "serving.client --target=localhost:1 --model=a --caption=a"
# Command lines, and a part of their errors.
BAD = [
    (f"{TRAIN} --data_dir={{tmp}}/none", "--data_dir: must be a directory"),
    (f"{TRAIN} --data_dir={{tmp}}", "--data_dir: must hold dataset.json"),
    (
        f"{TRAIN} --image_size=48",
        "--image_size: must be one of 32, 64, 128, 256 for df_gan, got 48",
    ),
    (f"{TRAIN} --stage=2", "--stage: must be 1 for df_gan, which has no such option, got 2"),
    (f"{TRAIN} --run_dir={{run}}", "--run_dir: must hold a run of the same recipe"),
    (
        "tools.export --run_dir={run} --export_dir={run}/config.json",
        "--export_dir: must be a directory or absent",
    ),
    (f"{EVALUATE} --run_dir={{tmp}}", "--run_dir: must be a run, with a config.json"),
    (
        f"{EVALUATE} --metrics=agreement,beauty",
        "recall,density,coverage,clip_score,memorization, got beauty",
    ),
    (f"{TRAIN} --batch_size=one", "--batch_size: must be integer >= 2, got 'one'"),
    (f"{PREPARE}=nope", "--source: must be one of digits, mnist_idx, emoji, folder"),
    (
        "tools.prepare --source=digits --output_dr={tmp}/out",
        "--output_dr: must be a flag of this program (near: --output_dir), got --output_dr",
    ),
    ("tools.prepare --source=digits", "--output_dir: must be given"),
    (
        f"{PREPARE}=digits --held_out=names.txt",
        "--held_out: must be left out, except for emoji, got --source=digits",
    ),
    (
        f"{PREPARE}=folder --background=mauvish",
        "--background: must be #rrggbb or a colour's name, got mauvish",
    ),
    (
        f"{PREPARE}=digits --output_dir={{run}}/config.json/x",
        "--output_dir: must have room and be writable",
    ),
    ("tools.prepare --verify={tmp}", "--verify: must hold dataset.json"),
    (
        f"{PREPARE}=webdataset --image_column=a",
        "--image_column: must be left out, except for folder, got --source=webdataset",
    ),
    (f"{TRAIN} --sample_captions=|", "--sample_captions: must be a file with 1 to 100 lines"),
    (f"tfgan2.train --flagfile={{tmp}}/none.flags {NEW_RUN}", "none.flags"),
    (
        f"tfgan2.train --recipe=emoji {NEW_RUN}",
        "--recipe: must be one of coco_df_gan, coco_paired_gan, cub_df_gan, cub_imagan, ",
    ),
    (f"{TRAIN} --text_encoder={{tmp}}", "--text_encoder: must be a run, with a config.json"),
    (
        f"{TRAIN} --stage1_run_dir={{run}}",
        "--stage1_run_dir: must be left out but for stack_gan's stage 2",
    ),
    (
        f"{TRAIN} --inception_weights=imagenet",
        "--inception_weights: must be left out but for a matching model",
    ),
    (f"{TRAIN} --strategy=multi_worker", "TF_CONFIG: must"),
    (f"{TRAIN} --keep_best=kid", "--evaluate_every: must be above 0 for --keep_best"),
    (
        f"{EVALUATE} --matching={{run}}",
        "--matching: must be a run of a matching model, got paired_gan",
    ),
    (
        f"tools.train_text_encoder {NEW_RUN} --text_encoder_kind=word_cnn",
        "--text_encoder_kind: must be bi_lstm or word_vectors for damsm, which compares words, "
        "got word_cnn",
    ),
    (
        f"{IMPORT}={{tmp}}/none.pth --from=damsm",
        "--vocabulary: must be given for --from=damsm, got nothing",
    ),
    (
        f"{IMPORT}={{tmp}}/none.pth --from=char_cnn_rnn",
        "none.pth: must be a readable PyTorch file, got No such file or directory",
    ),
    (f"{IMPORT}={{run}}/config.json --from=char_cnn_rnn", "config.json: must be"),
    (
        f"{IMPORT}={{tmp}}/none.pth --from=char_cnn_rnn --weights=ema",
        "--weights: must be left out for --from=char_cnn_rnn, got ema",
    ),
    (
        "tools.import_inception --weights={tmp}/none.pth --output_dir={tmp}/out",
        "none.pth: must be a readable PyTorch file, got No such file or directory",
    ),
    (f"{TRAIN} --run_dir={UNMAKEABLE}", f"x: {UNUSABLE}, got Not a directory"),
    (
        f"tools.train_text_encoder {NEW_RUN} --run_dir={UNMAKEABLE}",
        f"x: {UNUSABLE}, got Not a directory",
    ),
    (
        f"tools.export --run_dir={{run}} --export_dir={UNMAKEABLE}",
        "--export_dir: must have room and be writable, got [Errno 20] Not a directory",
    ),
    ("serving.server --rest_port=1", "--rest_port: must be a flag"),
    (
        "serving.server --model_base_path=exports",
        "--model_base_path: must be valid, got Expected model default to have an absolute path",
    ),
    ("serving.server --port=1", "--model_base_path: must be given"),
    (
        "serving.server --prefer_tflite_model",
        "--prefer_tflite_model: must be left out, this server has no such thing",
    ),
    (f"{CLIENT} --output={{tmp}}/a.png", "--target: must serve the model a, got UNAVAILABLE"),
]


@pytest.mark.parametrize(("command", "line"), BAD)
def test_user_error_is_one_line_and_exit_code_2(
    command: str, line: str, tmp_path: pathlib.Path, data_dir: pathlib.Path, run: RunDirectory
) -> None:
    places = {"tmp": tmp_path, "data": data_dir, "run": run.path}
    assert line in programs.error_of(*(part.format(**places) for part in command.split()))
    assert not (tmp_path / "run").exists()


def fresh(*options: str) -> subprocess.CompletedProcess:
    """Runs a new Python process without the TensorFlow variables of the environment."""
    environment = {name: it for name, it in os.environ.items() if not name.startswith("TF_")}
    return subprocess.run(
        [sys.executable, *options],
        cwd=programs.ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_training_prints_no_tensorflow_messages_and_uses_the_last_goal_flag(
    run: RunDirectory, data_dir: pathlib.Path
) -> None:
    places = [f"--data_dir={data_dir}", f"--run_dir={run.path}"]
    goal = ["--steps=50", "--epochs=0.0"]  # The run has two steps; 0 epochs are one step.
    ended = fresh("-m", "tfgan2.train", *flags.of(QUICK), *places, *goal)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == f"done: step 2, checkpoint {run.checkpoints}/ckpt-2\n"


def test_export_prints_only_its_folder(run: RunDirectory, tmp_path: pathlib.Path) -> None:
    ended = fresh("-m", "tools.export", f"--run_dir={run.path}", f"--export_dir={tmp_path}")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == f"{tmp_path}/1\n"


def test_messages_of_libraries_are_shown_on_request(
    run: RunDirectory, tmp_path: pathlib.Path
) -> None:
    ended = programs.run(
        *("tools.export", f"--run_dir={run.path}", f"--export_dir={tmp_path}", "--verbosity=-1"),
        environment={"TF_CPP_MIN_LOG_LEVEL": "0"},
    )
    assert ended.returncode == 0, ended.stderr
    assert ".py:" in ended.stderr
    assert ".cc:" in ended.stderr


def test_help_shows_an_example_and_the_flags_of_the_recipe() -> None:
    shown = programs.run("tfgan2.train", "--helpshort")
    assert shown.returncode == 0
    for text in ("Example:", "--run_dir", "--batch_size", "--checkpoint_every", "--steps"):
        assert text in shown.stdout


def shown_flags(*arguments: str) -> list[str]:
    shown = programs.run("tfgan2.train", "--helpshort", *arguments)
    assert (shown.returncode, shown.stderr) == (0, "")
    return re.findall(r"^  --(?:\[no\])?(\w+):", shown.stdout, re.MULTILINE)


def test_short_help_shows_required_and_common_flags_first_and_each_flag_once() -> None:
    shown = shown_flags()
    assert shown[:6] == ["data_dir", "run_dir", "steps", "epochs", "recipe", "model"]
    assert len(shown) == len(set(shown))
    files = {
        *("data_dir", "run_dir", "text_encoder"),
        *("stage1_run_dir", "inception_weights", "init_from"),
    }
    files |= {"sample_captions"}
    options = {field.name for kind in (Recipe, Schedule) for field in dataclasses.fields(kind)}
    assert set(shown) == {"recipe", "steps", "epochs", "strategy"} | files | options


@pytest.mark.parametrize("model", OPTIONS)
def test_short_help_of_a_system_shows_its_flags(model: str, tmp_path: pathlib.Path) -> None:
    shown = shown_flags(f"--model={model}")
    recipe = {field.name for field in dataclasses.fields(Recipe)}
    assert recipe & set(shown) == set(option_names(model))
    assert ("stage1_run_dir" in shown) == (model == "stack_gan")
    assert ("inception_weights" in shown) == (model in MATCHING_MODELS)
    assert ("text_encoder" in shown) == ("freeze_text_encoder" in option_names(model))
    flagfile = tmp_path / "recipe.flags"
    flagfile.write_text(f"--model={model}\n--batch_size=3\n")
    assert shown_flags(f"--flagfile={flagfile}") == shown


def test_short_help_of_a_recipe_shows_the_flags_of_its_system() -> None:
    assert shown_flags("--recipe=digits_gan_cls") == shown_flags("--model=gan_cls")


def test_short_help_refuses_other_systems_and_help_shows_all_flags() -> None:
    refused = programs.error_of("tfgan2.train", "--helpshort", "--model=x")
    assert refused.startswith("--model: must be one of df_gan, ")
    every = programs.run("tfgan2.train", "--help", "--model=sje").stdout
    assert all(f"{field.name}:" in every for field in dataclasses.fields(Recipe))


def test_the_client_imports_no_tensorflow() -> None:
    code = (
        "import sys; from serving.client import AsyncClient, Client, Picture, Retry, Tls; "
        "bad = [name for name in sys.modules if name.split('.')[0].startswith("
        "('tensorflow', 'tf_keras', 'keras', 'tfgan2'))]; sys.exit(str(bad) if bad else 0)"
    )
    ended = fresh("-c", code)
    assert ended.returncode == 0, ended.stderr


def test_import_of_the_package_loads_no_large_library() -> None:
    code = (
        "import sys, tfgan2; "
        "heavy = {'tensorflow', 'tf_keras', 'keras', 'tensorflow_text', 'numpy', 'PIL', 'absl'}; "
        "print('loaded', sorted(heavy & set(sys.modules)), tfgan2.load.__name__)"
    )
    assert fresh("-c", code).stdout == "loaded [] load\n"


@pytest.mark.parametrize("package", ["tfgan2", "serving"])
def test_text_that_the_terminal_lacks_is_escaped(package: str) -> None:
    code = f"from {package} import program; "
    code += "program.run(lambda: print('caf\\xe9'), help_groups={})"
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    ended = subprocess.run(
        [sys.executable, "-c", code],
        cwd=programs.ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "caf\\xe9\n", "")


def test_ctrl_c_is_one_line_and_leaves_no_files(
    digits_file: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    target = tmp_path / "out"
    command = ["-m", "tools.prepare", "--source=digits", f"--input_dir={digits_file.parent}"]
    command += [f"--output_dir={target}", "--image_size=512", "--workers=1"]
    with subprocess.Popen(
        [sys.executable, *command], cwd=programs.ROOT, stderr=subprocess.PIPE, text=True
    ) as process:
        while process.poll() is None and not list(target.glob(".tfgan2-prepare/*.unfinished")):
            os.sched_yield()
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate()
    assert process.returncode == -signal.SIGINT
    assert [line for line in stderr.splitlines() if " images" not in line] == ["interrupted"]
    assert list(tmp_path.iterdir()) == []
