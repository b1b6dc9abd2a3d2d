"""Configurations of earlier versions are read with the behavior of their version."""

import dataclasses
import json
import pathlib

import pytest

from tests.tiny import QUICK_DF_GAN, TINY
from tfgan2.program import UsageError
from tfgan2.runs import recipe as recipes
from tfgan2.runs.directory import Config, RunDirectory

ADDED = [
    field.name for field in dataclasses.fields(recipes.Recipe) if field.metadata["since"] != "0.1.0"
]


EARLIER = dataclasses.replace(QUICK_DF_GAN, word_rules="letters")


def of_0_1(recipe: recipes.Recipe) -> dict:
    """The fields of a recipe as version 0.1.0 wrote them."""
    fields = dataclasses.asdict(recipe)
    return {name: value for name, value in fields.items() if name not in ADDED}


def test_fields_missing_in_an_earlier_version_get_its_behavior() -> None:
    assert "penalty_every" in ADDED
    assert recipes.from_json(of_0_1(QUICK_DF_GAN), version="0.1.0") == EARLIER


@pytest.mark.parametrize("version", ["0.2.0", "0.2.1", "0.10.0", "1.0.0", None])
def test_missing_field_of_the_same_version_is_an_error(version: str | None) -> None:
    with pytest.raises(ValueError, match="penalty_every"):
        recipes.from_json(of_0_1(QUICK_DF_GAN), version=version)


def test_missing_required_field_and_unknown_field_are_errors() -> None:
    fields = of_0_1(QUICK_DF_GAN)
    del fields["latent_size"]
    with pytest.raises(ValueError, match=r"differ in \{'latent_size'\}"):
        recipes.from_json(fields, version="0.1.0")
    with pytest.raises(ValueError, match=r"differ in \{'sweetness'\}"):
        recipes.from_json({**of_0_1(QUICK_DF_GAN), "sweetness": 1}, version="0.1.0")


def test_ma_gp_of_version_0_1_applies_only_to_df_gan() -> None:
    df_gan = dataclasses.replace(TINY["df_gan"], ma_gp_weight=2.0)
    assert recipes.from_json(of_0_1(df_gan), version="0.1.0").ma_gp_weight == 2.0
    gan_cls = dataclasses.replace(TINY["gan_cls"], ma_gp_weight=2.0)
    assert recipes.from_json(of_0_1(gan_cls), version="0.1.0").ma_gp_weight == 0.0
    whole = dataclasses.asdict(gan_cls)
    assert recipes.from_json(whole, version="0.2.0").ma_gp_weight == 2.0


def test_configuration_of_an_earlier_run_is_read(tmp_path: pathlib.Path) -> None:
    run = RunDirectory(tmp_path)
    data = {"source": "digits", "checksum": "a", "channels": 1}
    versions = {"tfgan2": "0.1.0"}
    run.write_config(Config(recipe=QUICK_DF_GAN, data=data, versions=versions, text_encoder=None))
    fields = json.loads(run.config_file.read_text())
    run.config_file.write_text(json.dumps({**fields, "recipe": of_0_1(QUICK_DF_GAN)}))
    assert run.read_config().recipe == EARLIER
    fields["versions"]["tfgan2"] = "0.2.0"
    run.config_file.write_text(json.dumps({**fields, "recipe": of_0_1(QUICK_DF_GAN)}))
    with pytest.raises(UsageError, match="must be the configuration of a run"):
        run.read_config()
