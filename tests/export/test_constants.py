"""Generators with constant weights: equal images, and no variable reads."""

import pathlib

import numpy as np
import pytest
import tensorflow as tf

from tests import kinds
from tfgan2.adversarial.sampler import AnySampler, JointSampler
from tfgan2.export.constants import ConstantGenerator
from tfgan2.runs.directory import RunDirectory
from tfgan2.runs.sampling import load_sampler


@pytest.fixture(params=["captions", "unconditional"])
def sampler(request: pytest.FixtureRequest) -> AnySampler:
    if request.param == "unconditional":
        return kinds.unconditional()
    run: RunDirectory = request.getfixturevalue("run")
    return load_sampler(run)[0]


def test_constant_generator_draws_the_same_images(sampler: AnySampler) -> None:
    captions, seeds = ["the digit 3", ""], [1, 2]
    live = sampler.sample(captions, seeds, 0.7).images
    drawn = sampler.with_generator(ConstantGenerator).sample(captions, seeds, 0.7).images
    assert drawn.shape == live.shape
    assert np.abs(drawn.astype(int) - live).max() <= 1
    assert live.std() > 0


def test_constant_weights_do_not_follow_the_generator(sampler: AnySampler) -> None:
    constant = sampler.with_generator(ConstantGenerator)
    before = constant.sample(["a", "b"], [1, 2], 1.0).images
    for weight in sampler.generator.trainable_variables:
        weight.assign(tf.random.stateless_normal(weight.shape, seed=[1, 2]))
    np.testing.assert_array_equal(constant.sample(["a", "b"], [1, 2], 1.0).images, before)


def test_constant_generator_reads_no_variable(sampler: AnySampler) -> None:
    generators = {variable.ref() for variable in sampler.generator.variables}
    constant = sampler.with_generator(ConstantGenerator)
    assert generators
    assert generators.isdisjoint(variable.ref() for variable in constant.variables)


def test_joint_sampler_keeps_its_generator(tmp_path: pathlib.Path) -> None:
    sampler = kinds.joint(tmp_path)
    assert isinstance(sampler, JointSampler)
    assert sampler.with_generator(ConstantGenerator) is sampler
