"""What lies beside the checkpoints of a run may be gone or damaged."""

import dataclasses
import json
import pathlib
import shutil
from collections.abc import Callable

import pytest

from tests.contract.runs import eagerly, train_to, without_sample_grids
from tests.runs.test_checkpoint import TinyModel
from tests.tiny import QUICK
from tfgan2.program import UsageError
from tfgan2.runs.directory import RunDirectory
from tfgan2.runs.sampling import load_sampler, make_tokenizer
from tfgan2.training import trainer
from tfgan2.training.best_checkpoint import Best


@pytest.fixture
def damaged(run: RunDirectory, tmp_path: pathlib.Path) -> RunDirectory:
    """A copy of the tiny run, to damage."""
    shutil.copytree(run.path, tmp_path / "run")
    return RunDirectory(tmp_path / "run")


def train(run: RunDirectory, data_dir: pathlib.Path) -> trainer.Outcome:
    with eagerly(), without_sample_grids():
        return train_to(3, QUICK, data_dir, run.path, log_every=1)


def exchanged(content: bytes) -> bytes:
    first, second, *others = content.splitlines(keepends=True)
    return b"".join([second, first, *others])


VOCABULARIES: dict[str, Callable[[bytes], bytes]] = {
    "cut": lambda content: content[: len(content) // 2],
    "empty": lambda content: b"",
    "exchanged": exchanged,
    "no_text": lambda content: b"\xff" + content,
    "repeated": lambda content: content + content,
}


@pytest.mark.parametrize("damage", VOCABULARIES)
def test_vocabulary_other_than_that_of_the_run_is_refused(
    damage: str, damaged: RunDirectory, data_dir: pathlib.Path
) -> None:
    content = damaged.vocabulary_file.read_bytes()
    damaged.vocabulary_file.write_bytes(VOCABULARIES[damage](content))
    with pytest.raises(UsageError, match=r"vocabulary\.txt: must be the vocabulary"):
        load_sampler(damaged)
    with pytest.raises(UsageError, match=r"vocabulary\.txt: must be the vocabulary"):
        train(damaged, data_dir)


def test_missing_vocabulary_is_refused_beside_a_checkpoint(
    damaged: RunDirectory, data_dir: pathlib.Path
) -> None:
    damaged.vocabulary_file.unlink()
    with pytest.raises(UsageError, match=r"vocabulary\.txt: must be the vocabulary of the run"):
        train(damaged, data_dir)


def test_earlier_runs_have_no_checksum_of_the_vocabulary(damaged: RunDirectory) -> None:
    fields = json.loads(damaged.config_file.read_text())
    del fields["vocabulary_sha256"]
    damaged.config_file.write_text(json.dumps(fields))
    assert make_tokenizer(damaged, QUICK) is not None


def test_training_starts_anew_without_checkpoints_and_says_so(
    damaged: RunDirectory, data_dir: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    vocabulary = damaged.vocabulary_file.read_bytes()
    with damaged.metrics_file.open("ab") as file:
        file.write(b'{"step": 900}\n')
    shutil.rmtree(damaged.checkpoints)
    assert train(damaged, data_dir).step == 3
    warnings = [
        line for line in capsys.readouterr().err.splitlines() if "has no checkpoint" in line
    ]
    assert len(warnings) == 1
    assert "so training starts anew; metrics.jsonl loses its lines" in warnings[0]
    assert damaged.vocabulary_file.read_bytes() == vocabulary
    assert [fields["step"] for _, fields in damaged.metrics()] == [1, 2, 3]


def test_imported_weights_do_not_start_anew(damaged: RunDirectory, data_dir: pathlib.Path) -> None:
    config = damaged.read_config()
    data = {**config.data, "imported": {"source": "imported from a.pth", "licence": ""}}
    damaged.write_config(dataclasses.replace(config, data=data))
    shutil.rmtree(damaged.checkpoints)
    rule = "--run_dir: must hold a checkpoint of the imported weights"
    with pytest.raises(UsageError, match=rule):
        train(damaged, data_dir)
    assert not damaged.checkpoints.exists()


@pytest.mark.parametrize("name", ["data", "versions", "recipe", "checksum"])
def test_configuration_without_its_fields_is_refused(name: str, damaged: RunDirectory) -> None:
    fields = json.loads(damaged.config_file.read_text())
    if name == "checksum":
        del fields["data"]["checksum"]
    else:
        fields[name] = None
    damaged.config_file.write_text(json.dumps(fields))
    with pytest.raises(UsageError, match=r"config\.json: must be the configuration of a run"):
        damaged.read_config()


def test_damaged_lines_of_metrics_are_dropped(damaged: RunDirectory) -> None:
    good = b'{"step": 1, "loss": 2.0}\n'
    damaged.metrics_file.write_bytes(b'\xff\n{"step": "x"}\n[1]\n{"step": null}\n' + good + b'{"st')
    damaged.drop_metrics_after(5)
    assert damaged.metrics_file.read_bytes() == good


@pytest.mark.parametrize("content", [b"\xff", b"{", b"[]", b'{"agreement": "x"}', b'{"kid": 1}'])
def test_damaged_evaluation_of_the_best_checkpoint_is_replaced(
    content: bytes, tmp_path: pathlib.Path
) -> None:
    run = RunDirectory(tmp_path)
    run.best_checkpoint.mkdir(parents=True)
    file = run.best_checkpoint / "evaluation.json"
    file.write_bytes(content)
    best = Best(TinyModel(size=3), run, metric="agreement")
    best.consider({"agreement": {"value": 0.5}})
    best.consider({"agreement": {"value": 0.4}})
    assert json.loads(file.read_bytes()) == {"agreement": 0.5}
