"""The help of every program: its own flags in groups, without the libraries of its work."""

import os
import re
import subprocess
import sys
from typing import Any

import pytest

from tests import light_programs, programs

HEAVY = {
    *("tensorflow", "tensorflow_serving", "tensorflow_text", "tf_keras", "keras", "tensorboard"),
    *("apache_beam", "grpc", "jinja2", "matplotlib", "scipy", "starlette", "uvicorn"),
}
REQUIRED = ("Required:", "One of these is required:")
# Programs without required flags: their defaults are a whole measurement, or the paths are fixed.
WITHOUT_REQUIRED = {"tools.benchmark", "tools.benchmarks.growth", "tools.quickstart"}

# Flags that every program has.
OF_ABSL = {"flagfile", "help", "helpfull", "helpshort", "verbosity"}


def modules() -> list[str]:
    """All programs of this repository, as `python -m` names them."""
    found = []
    for package in ("tfgan2", "tools", "serving"):
        for path in sorted((programs.ROOT / package).rglob("*.py")):
            if re.search(r"^ +program\.run(_with_rest)?\(", path.read_text(), re.MULTILINE):
                parts = path.relative_to(programs.ROOT).with_suffix("").parts
                found.append(".".join(part for part in parts if part != "__main__"))
    return found


PROGRAMS = modules()


@pytest.fixture(scope="module")
def helps() -> dict[str, dict[str, Any]]:
    return light_programs.ended([module, "--helpshort"] for module in PROGRAMS)


def test_all_programs_are_found() -> None:
    assert {"tfgan2.train", "tools.evaluate", "serving.server", "serving.client"} <= {*PROGRAMS}
    documented = set(re.findall(r"python -m ((?:tfgan2|tools|serving)[\w.]*)", readme()))
    assert documented <= {*PROGRAMS}


def readme() -> str:
    return (programs.ROOT / "README.md").read_text()


def test_commands_of_the_documents_have_only_flags_of_their_programs(
    helps: dict[str, dict[str, Any]],
) -> None:
    checked = 0
    for path in [programs.ROOT / "README.md", *sorted((programs.ROOT / "docs").glob("*.md"))]:
        text = path.read_text().replace("\\\n", " ")
        for module, rest in re.findall(
            r"python -m ((?:tfgan2|tools|serving)[\w.]*)([^\n`]*)", text
        ):
            # Up to the options of Beam, a comment or the next command.
            own = re.split(r"\s(?:--\s|[#|&;])", rest)[0]
            given = {name.removeprefix("no") for name in re.findall(r"\s--(\w+)", own)}
            known = {name.removeprefix("no") for name in helps[module]["flags"]}
            assert given <= known | OF_ABSL, f"{path.name}: {module}"
            checked += len(given)
    assert checked > 100


@pytest.mark.parametrize("module", PROGRAMS)
def test_help_loads_no_large_library(module: str, helps: dict[str, dict[str, Any]]) -> None:
    help_ = helps[module]
    assert (help_["code"], help_["stderr"]) == (0, "")
    assert HEAVY & {*help_["loaded"]} == set()


@pytest.mark.parametrize("module", PROGRAMS)
def test_help_shows_each_own_flag_once_and_required_flags_first(
    module: str, helps: dict[str, dict[str, Any]]
) -> None:
    text = helps[module]["stdout"]
    assert f"python -m {module}" in text
    shown = re.findall(r"^  --(?:\[no\])?(\w+):\s", text, re.MULTILINE)
    assert sorted(shown) == sorted({*helps[module]["flags"]})
    titles = re.findall(r"^(\w.*:)\n  --", text, re.MULTILINE)
    if module not in WITHOUT_REQUIRED and module != "serving.server":
        assert titles[0] in REQUIRED


def test_a_flag_that_a_program_misses_stands_in_the_first_group(
    helps: dict[str, dict[str, Any]],
) -> None:
    asking = [module for module in PROGRAMS if "Required:" in helps[module]["stdout"]]
    for module, end in light_programs.ended([module] for module in asking).items():
        assert end["code"] == 2, module
        (name,) = re.findall(r"^error: --(\w+): must be given", end["stderr"])
        first = helps[module]["stdout"].partition("Required:")[2].partition("\n\n")[0]
        assert f"  --{name}:" in first, module
        assert "tensorflow" not in end["loaded"], module


def test_wrong_flags_are_reported_without_large_libraries() -> None:
    commands = [[module, "--no_such_flag=1"] for module in PROGRAMS]
    for module, end in light_programs.ended(commands).items():
        assert end["code"] == 2, module
        assert end["stderr"].startswith("error: --no_such_flag: must be a flag of this program")
        assert end["stderr"].count("\n") == 1
        assert HEAVY & {*end["loaded"]} == set(), module


@pytest.mark.parametrize("flag", ["--help", "--helpshort", "--helpfull"])
@pytest.mark.parametrize("module", ["tfgan2.train", "serving.server"])
def test_help_ends_well_though_nobody_reads_it(module: str, flag: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)  # As `head` does once it has its lines.
    program = subprocess.run(
        [sys.executable, "-m", module, flag],
        cwd=programs.ROOT,
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writing)
    assert (program.returncode, program.stderr) == (0, "")
