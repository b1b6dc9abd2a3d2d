"""Files that torch wrote: layouts of the references, and the outputs that torch computed.

A few small files are committed; the tests with torch write those in TFGAN2_TORCH_FILES.
"""

import dataclasses
import os
import pathlib
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tests.published_torch import cases
from tests.reference import states
from tfgan2.adversarial.noise import StepNoise
from tfgan2.adversarial.updates import LossInputs
from tfgan2.interop import df_gan, importing, torch_files
from tfgan2.interop.weight_mapping import Target, weights_of
from tfgan2.models.df_gan.model import DFGAN
from tfgan2.models.matching_aware.model import GeneratedImages
from tfgan2.runs import recipe as recipes
from tfgan2.runs.directory import RunDirectory
from tfgan2.runs.sampling import load_sampler

COMMITTED = pathlib.Path(__file__).parent / "published"
ROWS = 2
STEPS = 2  # Steps of the published optimizers.


@dataclasses.dataclass(frozen=True)
class Files:
    """The files of one case in one format."""

    name: str
    file_format: str
    committed: bool

    @property
    def folder(self) -> pathlib.Path:
        root = COMMITTED if self.committed else pathlib.Path(os.environ["TFGAN2_TORCH_FILES"])
        return root / self.name

    def path(self, file: str) -> pathlib.Path:
        return self.folder / self.file_format / file

    def read(self, file: str) -> Any:
        return torch_files.read(self.path(file))

    def answers(self) -> dict[str, np.ndarray]:
        with np.load(self.folder / "answers.npz") as answers:
            return dict(answers)


def files_of(names: Iterable[str]) -> list:
    """The committed files of some cases, and all files that torch writes of them."""
    names = list(names)
    params = [
        pytest.param(Files(name, file_format, committed=True), id=f"{name}-{file_format}")
        for name in names
        for file_format in cases.COMMITTED.get(name, ())
    ]
    return params + [
        pytest.param(
            Files(name, file_format, committed=False),
            id=f"torch-{name}-{file_format}",
            marks=pytest.mark.torch,
        )
        for name in names
        for file_format in cases.FORMATS
    ]


DF_GANS = files_of(cases.DF_GANS)
DF_GANS_2022 = files_of(name for name, case in cases.DF_GANS.items() if case.form == "2022")
RNN_ENCODERS = files_of(cases.RNN_ENCODERS)
CHAR_CNN_RNNS = files_of(cases.CHAR_CNN_RNNS)
# Files of equal sentence size, as users have them; test_imported_runs.py has small ones.
GENERATORS_AND_ENCODERS = [
    pytest.param(
        Files("2022_256px_full", "zip", committed=False),
        Files("rnn_encoder_5450", "zip", committed=False),
        id="torch-full",
        marks=pytest.mark.torch,
    ),
]


def networks(files: Files) -> dict[str, dict[str, np.ndarray]]:
    """The state dicts of a DF-GAN as stored in the files."""
    case = cases.DF_GANS[files.name]
    if case.form == "2022":
        return files.read(case.generator_file)["model"]
    return {"netG": files.read(case.generator_file), "netD": files.read("netD_007.pth")}


def imported(files: Files) -> tuple[DFGAN, list[str]]:
    """A model with the weights of files, and the names of its parts that start anew."""
    case = cases.DF_GANS[files.name]
    early = case.form == "2020"
    published = df_gan.published(
        files.read(case.generator_file),
        files.read("netD_007.pth") if early else None,
        file=files.name,
    )
    fields = {**df_gan.sizes(published), "text_encoder_kind": "bi_lstm"}
    fields |= dict.fromkeys(("generator_optimizer", "discriminator_optimizer"), "pytorch_adam")
    gan = recipes.build_model(
        recipes.Recipe(**fields, freeze_text_encoder=True, word_embedding_size=3),
        image_channels=df_gan.image_channels(published),
        vocabulary_size=5,
        dtype="float32",
    )
    gan.compile(optimizers=gan.make_optimizers(images_per_epoch=1))
    return gan, df_gan.load_weights(gan, published)


def layout(state: dict[str, np.ndarray]) -> list[tuple[str, tuple[int, ...]]]:
    return [(key, tensor.shape) for key, tensor in state.items()]


def channels_first(images: tf.Tensor) -> np.ndarray:
    return np.transpose(images, (0, 3, 1, 2))


def close(ours: tf.Tensor, answer: np.ndarray) -> None:
    np.testing.assert_allclose(ours, answer, rtol=0, atol=1e-4 * np.abs(answer).max())


@pytest.mark.parametrize("files", DF_GANS)
def test_df_gan_has_the_layout_of_the_reference(files: Files) -> None:
    case = cases.DF_GANS[files.name]
    make = states.df_gan_2022 if case.form == "2022" else states.df_gan_2020
    expected = make(
        nf=case.nf,
        image_size=case.image_size,
        latent_size=case.latent_size,
        sentence_size=case.sentence_size,
    )
    found = networks(files)
    assert list(found) == list(expected)
    prefix = "module." if case.parallel else ""
    for name, state in expected.items():
        prefixed = {f"{prefix}{key}": tensor for key, tensor in state.items()}
        assert layout(found[name]) == layout(prefixed)


@pytest.mark.parametrize("files", RNN_ENCODERS)
def test_damsm_has_the_layout_of_the_reference(files: Files) -> None:
    expected = states.rnn_encoder(**dataclasses.asdict(cases.RNN_ENCODERS[files.name]))
    assert layout(files.read("text_encoder200.pth")) == layout(expected)


@pytest.mark.parametrize("files", CHAR_CNN_RNNS)
def test_char_cnn_rnn_has_the_layout_of_the_reference(files: Files) -> None:
    case = cases.CHAR_CNN_RNNS[files.name]
    assert layout(files.read(case.file)) == layout(states.char_cnn_rnn(variant=case.variant))


@pytest.mark.parametrize("files", DF_GANS)
def test_df_gan_computes_the_outputs_of_torch(files: Files) -> None:
    gan, _ = imported(files)
    answers = files.answers()
    sentence = answers["sentence"]
    close(channels_first(gan.generator(answers["noise"], sentence)), answers["drawn"])
    features = gan.image_features(answers["images"].transpose(0, 2, 3, 1))
    close(channels_first(features), answers["features"])
    close(gan.head(features, sentence), answers["logit"][:, 0, 0, 0])


@pytest.mark.parametrize("files", DF_GANS_2022)
def test_losses_equal_those_of_torch(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    gan, _ = imported(files)
    assert gan.options.ma_gp_weight == 2.0
    # The batch has sentences instead of tokens.
    monkeypatch.setattr(gan, "encode", lambda sentence: sentence)
    answers = files.answers()
    sentence = tf.constant(answers["sentence"])
    batch = {
        "image": tf.constant(answers["images"].transpose(0, 2, 3, 1)),
        "tokens": sentence,
        "mismatched_tokens": tf.roll(sentence, 1, axis=0),
    }
    generated = GeneratedImages(
        image=tf.constant(answers["drawn"].transpose(0, 2, 3, 1)),
        latent=tf.constant(answers["noise"]),
        sentence=sentence,
    )
    noise = StepNoise(seed=0, step=gan.step, scope="test", batch_size=ROWS)
    inputs = LossInputs(batch, noise, gan.schedule.phases[0], generated)
    _, parts = gan.discriminator_loss(inputs)
    hinge = sum(answers[f"loss/{name}"] for name in ("real", "fake", "wrong"))
    np.testing.assert_allclose(parts["loss"], hinge, rtol=1e-4)
    np.testing.assert_allclose(parts["ma_gp"], answers["loss/ma_gp"], rtol=1e-3)
    _, parts = gan.generator_loss(inputs)
    np.testing.assert_allclose(parts["loss"], answers["loss/generator"], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("files", DF_GANS_2022)
def test_next_optimizer_step_equals_that_of_torch(files: Files) -> None:
    gan, anew = imported(files)
    assert anew == []
    assert int(gan.step) == STEPS
    answers, places, before = files.answers(), places_2022(gan), networks(files)
    followed = [name.removeprefix("weight/") for name in answers if name.startswith("weight/")]
    assert {name.partition("/")[0] for name in followed} == {"netG", "netD", "netC"}
    gradients = {
        places[name].variable.ref(): places[name].convert(answers[f"gradient/{name}"])
        for name in followed
    }
    for update in gan.updates:
        update.optimizer.apply_gradients(
            (tf.constant(gradients.get(variable.ref(), np.zeros(variable.shape, "f"))), variable)
            for variable in update.variables
        )
    for name in followed:
        network, _, key = name.partition("/")
        after, place = answers[f"weight/{name}"], places[name]
        assert np.abs(after - weights_of(before[network], name=network)[key]).max() > 5e-5
        # Less than a hundredth of the generator's learning rate.
        np.testing.assert_allclose(place.variable, place.convert(after), rtol=0, atol=2e-7)


@pytest.mark.parametrize("files", DF_GANS_2022)
def test_torch_optimizer_has_no_state_of_unused_shortcuts(files: Files) -> None:
    checkpoint = files.read(cases.DF_GANS[files.name].generator_file)
    discriminator = checkpoint["model"]["netD"] | checkpoint["model"]["netC"]
    (group,) = checkpoint["optimizers"]["optimizer_D"]["param_groups"]
    assert group["params"] == list(range(len(discriminator)))
    moved = checkpoint["optimizers"]["optimizer_D"]["state"]
    still = [key for number, key in enumerate(discriminator) if number not in moved]
    shortcuts = [key.removesuffix(".weight") for key in discriminator if "conv_s.weight" in key]
    assert still == [
        f"{shortcut}.{kind}"
        for shortcut in shortcuts
        for kind in ("weight", "bias")
        if len(set(discriminator[f"{shortcut}.weight"].shape[:2])) == 1
    ]


def places_2022(gan: DFGAN) -> dict[str, Target]:
    """The weight mapping of the three networks, with names such as netG/fc.weight."""
    places = {
        "netG": df_gan.generator_mapping(gan.generator, early=False),
        "netD": df_gan.image_features_mapping(gan.image_features, early=False),
        "netC": df_gan.head_mapping(gan.head, prefix=""),
    }
    return {f"{name}/{key}": place for name in places for key, place in places[name].items()}


@pytest.mark.parametrize("files", RNN_ENCODERS)
def test_damsm_computes_the_outputs_of_torch(files: Files) -> None:
    vocabulary = files.folder / "captions_DAMSM.pickle"
    text_encoder = importing.read_text_encoder(
        files.path("text_encoder200.pth"), vocabulary=vocabulary
    )
    answers = files.answers()
    tokens = {name: answers[name].astype(np.int32) for name in ("ids", "length")}
    words, sentence = text_encoder.encoder.words_and_sentence(tokens)
    close(sentence, answers["sentence"])
    longest = answers["length"].max()
    close(np.transpose(words, (0, 2, 1))[:, :, :longest], answers["words"])
    assert not np.any(words[:, longest:])


@pytest.mark.parametrize("files", CHAR_CNN_RNNS)
def test_char_cnn_rnn_computes_the_outputs_of_torch(files: Files) -> None:
    case, answers = cases.CHAR_CNN_RNNS[files.name], files.answers()
    text_encoder = importing.read_text_encoder(files.path(case.file), vocabulary=None)
    assert text_encoder.options.text_encoder_kind == f"char_cnn_rnn_{case.variant}"
    ids = answers["ids"].astype(np.int32)
    length = np.full([len(ids)], ids.shape[1], np.int32)
    close(text_encoder.encoder({"ids": ids, "length": length}), answers["sentence"])


@pytest.mark.parametrize(("generator", "encoder"), GENERATORS_AND_ENCODERS)
def test_imported_run_computes_the_sentences_and_images_of_torch(
    generator: Files, encoder: Files, tmp_path: pathlib.Path
) -> None:
    text_encoder = importing.read_text_encoder(
        encoder.path("text_encoder200.pth"), vocabulary=encoder.folder / "captions_DAMSM.pickle"
    )
    importing.import_df_gan(
        generator=generator.path(cases.DF_GANS[generator.name].generator_file),
        discriminator=None,
        text_encoder=text_encoder,
        recipe=recipes.Recipe(precision="float32"),
        run_dir=tmp_path / "run",
        versions={},
    )
    sampler, config, _ = load_sampler(RunDirectory.existing(tmp_path / "run"))
    captions = config.data["example_captions"]
    close(sampler.embed(tf.constant(captions)), encoder.answers()["sentence"])
    answers = generator.answers()
    drawn = sampler.generator(answers["noise"], answers["sentence"])
    close(channels_first(drawn), answers["drawn"])
