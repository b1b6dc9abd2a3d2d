"""tools.benchmark as a program: measurements, output files and errors."""

import json
import pathlib

import pytest

from tests import flags, programs
from tests.tiny import QUICK, TINY

OTHER = "tests.tools.other_step"


def benchmark(*options: str) -> programs.Ended:
    return programs.run("tools.benchmark", *options)


@pytest.fixture(scope="module")
def flagfile(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    path = tmp_path_factory.mktemp("recipes") / "tiny.flags"
    path.write_text("\n".join(flags.of(QUICK)))
    return path


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--what=train,draw", "--what: must be out of pipeline,train,generate,serve,batch,metr"),
        ("--what=", "--what: must be out of"),
        ("--model=nope", "--model: must be one of df_gan, paired_gan, stack_gan, gan_cls, img_txt"),
        ("--model={damsm}", "--model: must be a system that draws, got damsm"),
        ("--against=step", "--against: must be MODULE:FUNCTION, got step"),
        ("--against_generation=draw", "--against_generation: must be MODULE:FUNCTION, got draw"),
        ("--seconds=0", "--seconds: must be"),
        ("--json={folder}", "--json: must be a file or absent"),
        ("--image_size=48", "--image_size: must be one of 32, 64, 128, 256 for df_gan, got 48"),
        ("--against=no_such_module:step", "--against: must be MODULE:FUNCTION (No module named"),
    ],
)
def test_user_error_is_one_line(options: str, message: str, tmp_path: pathlib.Path) -> None:
    damsm = tmp_path / "damsm.flags"
    damsm.write_text("\n".join(flags.of(TINY["damsm"])))
    filled = options.format(damsm=damsm, folder=tmp_path).split()
    assert programs.error_of("tools.benchmark", *filled).startswith(message)


@pytest.mark.slow
def test_benchmark_measures_this_package_and_another(
    flagfile: pathlib.Path, data_dir: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    written = tmp_path / "figures" / "results.json"
    ended = benchmark(
        *("--what=train,pipeline,generate", f"--model={flagfile}", f"--data_dir={data_dir}"),
        *(f"--against={OTHER}:make_step", "--seconds=0.1", f"--json={written}"),
        f"--against_generation={OTHER}:make_drawer",
    )
    assert ended.returncode == 0, ended.stderr
    results = json.loads(written.read_text())
    assert set(results) == {"machine", "results"}
    assert results["machine"]["cores"] >= 1
    assert results["machine"]["matrix_multiply_gflops"]["float32"] > 0
    results = results["results"]
    assert len(ended.stdout.splitlines()) == 1 + len(results)
    measured = [(it["what"], it["model"], it["batch_size"]) for it in results]
    assert measured == [
        ("train", "tiny", 8),
        ("pipeline", "tiny", 8),
        ("generate", "tiny", 16),
        ("generate", "tiny", 1),
        ("against", "tiny", 8),
        ("against", f"{OTHER}:make_step", 8),
        ("against_generation", "tiny", 16),
        ("against_generation", f"{OTHER}:make_drawer", 16),
        ("against_generation", "tiny", 1),
        ("against_generation", f"{OTHER}:make_drawer", 1),
    ]
    for result in results:
        rate = result["images_per_second"]
        assert 0 < rate["low"] <= rate["median"] <= rate["high"]
        assert (result["image_size"], result["precision"]) == (32, "float32")
        assert result["repetitions"] >= 3
        assert result["ratio"] > 0
        assert result["memory_mb"] > 100
    train, pipeline, *drawn, ours, theirs, ours_16, theirs_16, ours_1, theirs_1 = results
    for result in (train, *drawn, ours, ours_16, ours_1):
        assert result["ratio_to"].startswith("the matrix-multiply peak")
    assert pipeline["ratio_to"].startswith("the demand of the training step")
    for mine, other in ((ours, theirs), (ours_16, theirs_16), (ours_1, theirs_1)):
        seconds, other_seconds = (
            it["batch_size"] / it["images_per_second"]["median"] for it in (mine, other)
        )
        assert other["ratio"] == pytest.approx(other_seconds / seconds)
    for mine, other in ((ours_16, theirs_16), (ours_1, theirs_1)):
        assert mine["ratio_to"].endswith("drawn by `pixels`, no PNG")
        assert other["ratio_to"].startswith("the seconds of tiny's `pixels`")
