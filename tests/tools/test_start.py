"""One command from a folder to an export: the choice, the phases, stops and further calls."""

import dataclasses
import json
import pathlib
import re
import sys

import pytest
from PIL import Image, ImageDraw

from tests import programs
from tfgan2.program import UsageError
from tfgan2.runs import recipe as recipes
from tfgan2.runs import shipped_recipes
from tfgan2.training import checks
from tools import commands
from tools.starting import choice as choices
from tools.starting import devices, estimates, looking, phases, rules, starting, state
from tools.starting.devices import Devices
from tools.starting.looking import Found
from tools.starting.phases import Places

CPU = Devices(gpus=0, cores=2, memory_mib=8192)
GPU = Devices(gpus=1, cores=8, memory_mib=65536)
DRAWINGS = Found(
    pictures=585,
    without_caption=0,
    captions=585,
    repeated_captions=False,
    words=900,
    side_px=72,
    grey=False,
    photographs=False,
    checksum="a",
)
DIGITS = dataclasses.replace(DRAWINGS, pictures=5000, words=35, side_px=28, grey=True)
PHOTOGRAPHS = dataclasses.replace(DRAWINGS, pictures=9000, side_px=500, photographs=True)
DOCUMENT = programs.ROOT / "docs" / "choosing.md"


def write_drawings(folder: pathlib.Path, count: int, *, captioned: bool = True) -> pathlib.Path:
    folder.mkdir()
    for number in range(count):
        colour = ("red", "blue", "green")[number % 3]
        image = Image.new("RGB", (24, 20), "white")
        ImageDraw.Draw(image).ellipse((4, 2, 12 + number % 8, 16), fill=colour)
        image.save(folder / f"{number}.png")
        if captioned:
            (folder / f"{number}.txt").write_text(f"a {colour} circle\n")
    return folder


@pytest.fixture
def places(tmp_path: pathlib.Path) -> Places:
    return Places(write_drawings(tmp_path / "drawings", 24), tmp_path / "mine")


@pytest.mark.parametrize(
    ("found", "machine", "hours", "recipe", "image_size"),
    [
        (DRAWINGS, CPU, 1.0, "emoji_paired_gan", 64),
        (DRAWINGS, CPU, 0.1, "emoji_paired_gan", 32),
        (DRAWINGS, GPU, 12.0, "emoji_paired_gan", 64),
        (dataclasses.replace(DRAWINGS, side_px=100), GPU, 12.0, "emoji_paired_gan", 128),
        (dataclasses.replace(DRAWINGS, side_px=16), CPU, 1.0, "digits_gan_cls", 16),
        (DIGITS, CPU, 1.0, "digits_df_gan", 32),
        (dataclasses.replace(DIGITS, words=500), CPU, 1.0, "emoji_paired_gan", 32),
        (PHOTOGRAPHS, CPU, 24.0, "emoji_paired_gan", 64),
        (PHOTOGRAPHS, GPU, 1.0, "emoji_paired_gan", 64),
        (PHOTOGRAPHS, GPU, 24.0, "emoji_paired_gan", 256),
    ],
)
def test_folder_devices_and_hours_choose_recipe_and_size(
    found: Found, machine: Devices, hours: float, recipe: str, image_size: int
) -> None:
    rule = rules.choose(found, machine, hours=hours)
    assert (rule.recipe, rule.image_size) == (recipe, image_size)


@pytest.mark.parametrize("image_size", rules.IMAGE_SIZES_PX)
def test_a_given_size_is_chosen(image_size: int) -> None:
    rule = rules.choose(DRAWINGS, CPU, hours=1.0, image_size=image_size)
    assert (rule.image_size, rule.grey) == (image_size, False)


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: f"{rule.recipe}-{rule.image_size}")
def test_every_row_is_a_valid_recipe(rule: rules.Rule) -> None:
    path = shipped_recipes.files()[rule.recipe]
    recipe = dataclasses.replace(
        recipes.from_flagfile(path),
        image_size=rule.image_size,
        batch_size=rule.batch_size,
        augment_translation_px=rule.translation_px,
    )
    recipe.check()
    checks.check_foreign_options(recipe)
    assert rule.text_encoder == recipe.freeze_text_encoder
    assert rule.feature_matching == (rule.recipe == "emoji_paired_gan")
    assert rules.row(rule.recipe, rule.image_size) is rule


def test_few_pictures_get_small_batches_and_at_most_sixty_passes() -> None:
    found = dataclasses.replace(DIGITS, pictures=50)
    choice = choices.make(rules.choose(found, CPU, hours=1.0), found, hours=1.0, cores=2)
    assert (choice.batch_size, choice.encoder_batch_size, choice.encoder_passes) == (16, 16, 60)


def test_photographs_are_cropped_and_drawings_padded() -> None:
    for found, resize in ((PHOTOGRAPHS, "crop"), (DRAWINGS, "pad")):
        rule = rules.choose(found, CPU, hours=1.0)
        assert choices.make(rule, found, hours=1.0, cores=2).resize == resize


def test_repeated_captions_get_mode_seeking_instead_of_feature_matching(places: Places) -> None:
    for repeated in (False, True):
        found = dataclasses.replace(DRAWINGS, repeated_captions=repeated)
        choice = choices.make(rules.choose(found, CPU, hours=1.0), found, hours=1.0, cores=2)
        options = phases.training(choice, places, steps=1).options
        losses = {"--feature_matching_weight=0", "--mode_seeking_weight=0.03"} & set(options)
        assert len(losses) == 2 * repeated
    digits = dataclasses.replace(DIGITS, repeated_captions=True)
    assert not choices.make(
        rules.choose(digits, CPU, hours=1.0), digits, hours=1.0, cores=2
    ).mode_seeking


def cautions(found: Found, *, images_shown: float) -> str:
    rule = rules.choose(found, CPU, hours=1.0)
    short = rules.shortage(found.pictures, images_shown=images_shown, hours=1.0)
    return "\n".join([*rules.cautions(rule, found, CPU), *short])


def test_cautions_name_the_reason() -> None:
    assert cautions(DRAWINGS, images_shown=200_000) == ""
    few = dataclasses.replace(DRAWINGS, pictures=40)
    assert cautions(few, images_shown=200_000).startswith("40 pictures are few: ")
    many = dataclasses.replace(DRAWINGS, pictures=100_000)
    assert "2.0 times, about 200,000" in cautions(many, images_shown=200_000)
    assert cautions(many, images_shown=200_000).endswith("1,000,000 or more: --hours=5")
    small = dataclasses.replace(DRAWINGS, side_px=8)
    assert "8 px are enlarged to 16 px" in cautions(small, images_shown=200_000)


def test_too_few_pictures_are_refused() -> None:
    few = dataclasses.replace(DRAWINGS, pictures=19)
    with pytest.raises(UsageError, match=r"^--input_dir: must hold at least 20 images .*, got 19$"):
        rules.choose(few, CPU, hours=1.0)


def test_a_look_counts_pictures_captions_and_colours(places: Places) -> None:
    (places.input_dir / "bare.png").write_bytes((places.input_dir / "0.png").read_bytes())
    found = looking.look(places.input_dir)
    assert (found.pictures, found.without_caption, found.captions) == (24, 1, 24)
    assert (found.words, found.side_px) == (5, 24)
    assert (found.grey, found.photographs) == (False, False)
    assert found.repeated_captions
    for number in range(12):
        (places.input_dir / f"{number}.txt").write_text(f"circle {number}\na red circle\n")
    assert not looking.look(places.input_dir).repeated_captions
    for file in places.input_dir.glob("*.png"):
        Image.open(file).convert("L").save(file)
    assert looking.look(places.input_dir).grey


def test_folders_without_captions_or_images_are_refused(tmp_path: pathlib.Path) -> None:
    bare = write_drawings(tmp_path / "bare", 3, captioned=False)
    with pytest.raises(UsageError, match=r"must hold images with captions .* got 3 images without"):
        looking.look(bare)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="--input_dir: must hold images"):
        looking.look(tmp_path / "empty")


class Recorder:
    """Stands in for `commands.run`: records the commands, and can stop at a module."""

    def __init__(self, places: Places, *, rate: float) -> None:
        self.places, self.rate = places, rate
        self.stop_at: str | None = None
        self.run: list[str] = []

    def __call__(self, module: str, *options: str) -> None:
        if module == self.stop_at:
            sys.exit(0)
        self.run.append(commands.as_typed(module, *options))
        if module == "tfgan2.train":
            (self.places.run / "samples").mkdir(parents=True, exist_ok=True)
            (self.places.run / "samples" / "step_00000006.png").touch()
            line = {"step": 6, "images_per_second": self.rate}
            self.places.metrics.write_text(json.dumps(line) + "\n")

    def modules(self) -> list[str]:
        return [command.split()[2] for command in self.run]


@pytest.fixture
def recorder(places: Places, monkeypatch: pytest.MonkeyPatch) -> Recorder:
    recorder = Recorder(places, rate=8.0)
    monkeypatch.setattr(commands, "run", recorder)
    monkeypatch.setattr(devices, "find", lambda: CPU)
    return recorder


ALL = [
    "tools.prepare",
    "tools.train_text_encoder",
    "tfgan2.train",
    "tfgan2.train",
    "tools.train_text_encoder",
    "tools.evaluate",
    "tools.export",
]


def test_steps_come_from_the_measured_rate_and_the_hours(
    places: Places, recorder: Recorder, capsys: pytest.CaptureFixture[str]
) -> None:
    starting.start(places, hours=1.0, image_size=64)
    assert recorder.modules() == ALL
    # 8 images per second in batches of 8.
    assert recorder.run[3].endswith(" --steps=3600")
    assert "about 28,800 images; good pictures need 50,000" in capsys.readouterr().err


def test_a_stopped_start_continues_and_a_finished_one_runs_nothing(
    places: Places, recorder: Recorder
) -> None:
    recorder.stop_at = "tools.evaluate"
    with pytest.raises(SystemExit):
        starting.start(places, hours=1.0, image_size=64)
    assert recorder.modules() == ALL[:5]
    recorder.stop_at = None
    starting.start(places, hours=1.0)
    assert recorder.modules() == ALL
    starting.start(places, hours=1.0)
    assert recorder.modules() == ALL


def test_more_hours_extend_the_training_and_fewer_change_nothing(
    places: Places, recorder: Recorder
) -> None:
    starting.start(places, hours=1.0, image_size=64)
    recorder.run.clear()
    starting.start(places, hours=2.0)
    assert recorder.modules() == ["tfgan2.train", "tools.evaluate", "tools.export"]
    assert recorder.run[0].endswith(" --steps=7200")
    recorder.run.clear()
    starting.start(places, hours=0.5)
    assert recorder.run == []


def test_a_changed_folder_is_reported_and_the_data_set_stays(
    places: Places, recorder: Recorder, capsys: pytest.CaptureFixture[str]
) -> None:
    starting.start(places, hours=1.0, image_size=64)
    recorder.run.clear()
    (places.input_dir / "0.txt").write_text("a circle that has another caption\n")
    starting.start(places, hours=1.0)
    assert "warning: --input_dir: has changed (24 pictures then, 24 now)" in capsys.readouterr().err
    assert recorder.run == []


def test_a_folder_is_chosen_for_again_as_long_as_it_is_not_prepared(
    places: Places, recorder: Recorder
) -> None:
    recorder.stop_at = "tools.prepare"
    for image_size in (64, 32):
        with pytest.raises(SystemExit):
            starting.start(places, hours=1.0, image_size=image_size)
        kept = state.read(places.output_dir)
        assert kept is not None
        assert kept.choice.image_size == image_size


def test_another_size_and_a_foreign_output_directory_are_refused(
    places: Places, recorder: Recorder, tmp_path: pathlib.Path
) -> None:
    starting.start(places, hours=1.0, image_size=64)
    with pytest.raises(
        UsageError, match="--image_size: must stay 64 for this --output_dir, got 32"
    ):
        starting.start(places, hours=1.0, image_size=32)
    with pytest.raises(UsageError, match=r"--output_dir: .* hold start\.json, got"):
        starting.start(Places(places.input_dir, tmp_path), hours=1.0)


def test_a_broken_state_is_refused(places: Places, recorder: Recorder) -> None:
    starting.start(places, hours=1.0, image_size=64)
    path = places.output_dir / state.STATE_NAME
    path.write_text(path.read_text().replace("emoji_paired_gan", "other"))
    with pytest.raises(
        UsageError, match=r"--output_dir: must hold a choice .*, got other at 64 px"
    ):
        starting.start(places, hours=1.0)
    path.write_text("{")
    with pytest.raises(UsageError, match=r"start\.json: must be written by tools.start, got "):
        starting.start(places, hours=1.0)


def test_dry_run_prints_all_commands_and_writes_nothing(
    places: Places, recorder: Recorder, capsys: pytest.CaptureFixture[str]
) -> None:
    starting.start(places, hours=1.0, image_size=64, dry_run=True)
    shown = capsys.readouterr().out
    assert re.findall(r"^\$ python -m (\S+)", shown, re.MULTILINE) == ALL
    assert f"python -m serving.demo --quickstart --exports_dir={places.exports}" in shown
    assert "51 images/s (measured on 2 cores)" in shown
    assert recorder.run == []
    assert not places.output_dir.exists()


def run_forked(module: str, *options: str) -> None:
    ended = programs.run(module, *options)
    assert ended.returncode == 0, ended.stderr


def test_a_folder_becomes_an_export(
    places: Places, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(commands, "run", run_forked)
    monkeypatch.setattr(devices, "find", lambda: CPU)
    monkeypatch.setattr(phases, "MEASURED_SECONDS", 0.0)
    monkeypatch.setattr(phases, "SAMPLES", 20)
    # Fewer hours than the measurement needs: one training step is traced only once.
    starting.start(places, hours=1e-6, image_size=16)
    kept = state.read(places.output_dir)
    assert kept is not None
    assert kept.images_per_second is not None
    assert (places.run / "samples" / f"step_{kept.steps:08d}.png").exists()
    (line,) = (places.run / "evaluations.jsonl").read_text().splitlines()
    assert {"kid", "r_precision"} <= json.loads(line)["metrics"].keys()
    assert (places.export / "1" / "saved_model.pb").exists()
    assert f"--exports_dir={places.exports}" in capsys.readouterr().out


def table_row(rule: rules.Rule) -> str:
    """The row of a rule in the document."""
    cells = [
        f"{rule.image_size} px",
        f"`{rule.recipe}`",
        f"grey, at most {rules.FEW_WORDS} words" if rule.grey else "any",
        f"{rule.from_side_px} px",
        f"{rule.from_pictures:,}",
        "never" if rule.from_core_hours is None else f"{rule.from_core_hours:g}",
        f"{rule.from_gpu_hours:g}",
        f"{rule.batch_size}",
        "trained before" if rule.text_encoder else "trained along",
    ]
    return f"| {' | '.join(cells)} |"


def cost_row(rule: rules.Rule) -> str:
    """The row of a rule in the document's table of rates and memory."""
    gpu = rules.images_per_second(rule, dataclasses.replace(GPU, gpus=1))
    known = "measured" if rule.measured else "estimated"
    cells = [
        f"{rule.image_size} px, `{rule.recipe}`",
        f"{rule.gflop_per_image:g}",
        f"{rule.images_per_second:g} ({known})",
        f"{gpu:,.0f} (estimated)",
        f"{rule.memory_mib:,}",
    ]
    return f"| {' | '.join(cells)} |"


def example_row(found: Found, machine: Devices, hours: float) -> str:
    """The row of a folder and a machine in the document's table of examples."""
    rule = rules.choose(found, machine, hours=hours)
    choice = choices.make(rule, found, hours=hours, cores=machine.cores)
    rate = rules.images_per_second(rule, machine)
    steps = estimates.steps_in(hours, images_per_second=rate, batch_size=choice.batch_size)
    cells = [
        f"{found.pictures:,} {'grey' if found.grey else 'colour'}, {found.side_px} px",
        f"{found.words:,}",
        "one GPU" if machine.gpus else "2 cores",
        f"{hours:g}",
        f"{rule.image_size} px, `{rule.recipe}`",
        f"{steps:,}",
        f"{steps * choice.batch_size / found.pictures:,.0f}",
        f"{choice.encoder_passes}" if choice.text_encoder else "none",
    ]
    return f"| {' | '.join(cells)} |"


def test_the_document_has_examples_of_the_choice() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    photographs = dataclasses.replace(PHOTOGRAPHS, pictures=100_000, words=8000)
    examples = [
        (dataclasses.replace(DRAWINGS, pictures=50, words=120), CPU, 0.5),
        (DRAWINGS, CPU, 0.25),
        (DRAWINGS, CPU, 1.0),
        (DIGITS, CPU, 0.25),
        (dataclasses.replace(DRAWINGS, side_px=16), CPU, 0.25),
        (photographs, CPU, 24.0),
        (dataclasses.replace(DRAWINGS, side_px=256), GPU, 4.0),
        (photographs, GPU, 48.0),
    ]
    wanted = [example_row(*example) for example in examples]
    assert [line for line in text.splitlines() if line in wanted] == wanted


def test_the_document_has_the_table_of_the_program() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    for row in (table_row, cost_row):
        wanted = [row(rule) for rule in rules.RULES]
        found = [line for line in text.splitlines() if line in wanted]
        assert found == wanted
    sizes = len(rules.RULES)
    assert len(re.findall(r"^\| \d+ px \|", text, re.MULTILINE)) == sizes
    assert len(re.findall(r"^\| \d+ px, `", text, re.MULTILINE)) == sizes


def test_the_command_refuses_a_missing_folder(tmp_path: pathlib.Path) -> None:
    options = (f"--input_dir={tmp_path}/none", f"--output_dir={tmp_path}/mine")
    error = programs.error_of("tools.start", *options)
    assert error == f"--input_dir: must be a directory, got {tmp_path}/none"
    assert not (tmp_path / "mine").exists()
