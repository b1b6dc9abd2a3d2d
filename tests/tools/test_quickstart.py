"""The quick start: its commands, in order, for each data set."""

import contextlib
import pathlib
import re

import pytest

from tests import programs
from tfgan2.data import sources
from tfgan2.runs import recipe as recipes
from tfgan2.runs import shipped_recipes
from tools import commands, examples


@pytest.mark.parametrize("name", examples.EXAMPLES)
def test_the_recipe_gets_the_text_encoder_that_it_needs(name: str) -> None:
    example = examples.EXAMPLES[name]
    recipe = recipes.from_flagfile(shipped_recipes.files()[example.recipe])
    assert recipe.freeze_text_encoder == bool(example.text_encoder)
    assert name in sources.SOURCES


@pytest.mark.parametrize(
    ("name", "modules"),
    [
        ("digits", ["tools.prepare", "tfgan2.train", "tools.evaluate", "tools.export"]),
        (
            "emoji",
            [
                "tools.prepare",
                "tools.train_text_encoder",
                "tfgan2.train",
                "tools.evaluate",
                "tools.export",
            ],
        ),
    ],
)
def test_commands_run_in_order_with_flags_that_exist(
    name: str, modules: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    monkeypatch.chdir(tmp_path)
    run: list[tuple[str, tuple[str, ...]]] = []

    def record(module: str, *options: str) -> None:
        run.append((module, options))
        if module == "tfgan2.train":
            (samples := pathlib.Path("runs", name, "samples")).mkdir(parents=True)
            (samples / "step_00000002.png").touch()

    monkeypatch.setattr(commands, "run", record)
    monkeypatch.setattr(examples, "child_server", contextlib.nullcontext)
    examples.run(name, steps=2)
    clients = ["serving.client"] * len(examples.EXAMPLES[name].pictures)
    assert [module for module, _ in run] == [*modules, *clients]
    assert "--steps=2" in dict(run)["tfgan2.train"]
    helps = {module: programs.run(module, "--helpfull").stdout for module in dict(run)}
    for module, options in run:
        for option in options:
            flag = option.partition("=")[0]
            assert re.search(rf"^ *{flag}:", helps[module], re.MULTILINE), (module, flag)
