"""Published weights: every tensor is mapped, and the networks compute the published outputs."""

import dataclasses
import pathlib
import pickle

import numpy as np
import pytest
import tensorflow as tf

from tests.reference import char_cnn_rnn, df_gan_2020, df_gan_2022, rnn_encoder, states
from tfgan2.interop import df_gan, importing, text_encoders, weight_mapping
from tfgan2.models.df_gan.model import DFGAN
from tfgan2.program import UsageError
from tfgan2.runs import recipe as recipes
from tfgan2.runs.directory import RunDirectory
from tfgan2.text.encoders import TextOptions, make_encoder

REFERENCES = {"2022": df_gan_2022, "2020": df_gan_2020}
# test_published.py tests networks of 32 px, and the outputs of torch itself.
CHANNELS = [4, pytest.param(32, marks=pytest.mark.slow)]


def networks(form: str, *, image_size: int = 32, nf: int = 2, seed: int = 0) -> dict:
    make = states.df_gan_2022 if form == "2022" else states.df_gan_2020
    return make(nf=nf, image_size=image_size, seed=seed)


def published(form: str, made: dict, **optimizers: dict) -> df_gan.Published:
    if form == "2022":
        return df_gan.published({"model": made, "optimizers": optimizers}, None, file="f")
    return df_gan.published(made["netG"], made["netD"], file="f")


def build(files: df_gan.Published) -> DFGAN:
    fields = {**df_gan.sizes(files), "text_encoder_kind": "bi_lstm", "freeze_text_encoder": True}
    gan = recipes.build_model(
        recipes.Recipe(**{**fields, "word_embedding_size": 3}),
        image_channels=df_gan.image_channels(files),
        vocabulary_size=5,
        dtype="float32",
    )
    gan.compile(optimizers=gan.make_optimizers(images_per_epoch=1))
    return gan


def close(ours: tf.Tensor, reference: np.ndarray) -> None:
    np.testing.assert_allclose(ours, reference, atol=1e-4 * max(1.0, np.abs(reference).max()))


@pytest.mark.parametrize("form", ["2022", "2020"])
@pytest.mark.parametrize("nf", CHANNELS)
def test_imported_networks_compute_the_outputs_of_the_reference(form: str, nf: int) -> None:
    made, reference = networks(form, image_size=256, nf=nf), REFERENCES[form]
    files = published(form, made)
    gan = build(files)
    df_gan.load_weights(gan, files)
    generator = np.random.default_rng(1)
    rows = 1 if nf > 4 else 2
    latent = generator.normal(size=(rows, 100)).astype(np.float32)
    sentence = generator.normal(size=(rows, 256)).astype(np.float32)
    drawn = gan.average_generator(latent, sentence)
    close(np.transpose(drawn, (0, 3, 1, 2)), reference.generator(made["netG"], latent, sentence))
    assert np.std(drawn) > 0.05

    images = generator.uniform(-1, 1, (rows, 3, 256, 256)).astype(np.float32)
    features = reference.image_features(made["netD"], images)
    ours = gan.image_features(images.transpose(0, 2, 3, 1))
    close(np.transpose(ours, (0, 3, 1, 2)), features)
    head = made["netC"] if form == "2022" else made["netD"]
    close(gan.head(ours, sentence), reference.head(head, features, sentence))


@pytest.mark.parametrize("form", ["2022", "2020"])
@pytest.mark.parametrize(
    "prefix", ["module.", "module.module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module."]
)
def test_prefixes_of_wrapped_networks_are_ignored(form: str, prefix: str) -> None:
    made = networks(form)
    prefixed = {
        name: {f"{prefix}{key}": tensor for key, tensor in state.items()}
        for name, state in made.items()
    }
    # PyTorch's AveragedModel counts the averaged states.
    prefixed["netG"]["n_averaged"] = np.array(7)
    assert published(form, prefixed) == published(form, made)


@pytest.fixture(scope="module")
def gan() -> DFGAN:
    """A model of the size of networks("2022"); tests load its weights."""
    return build(published("2022", networks("2022")))


def test_all_faults_are_named_and_no_weight_is_loaded(gan: DFGAN) -> None:
    made = networks("2022", seed=1)
    netg = made["netG"]
    del netg["GBlocks.1.c1.bias"]
    netg["GBlocks.0.c9.weight"] = np.zeros([1], np.float32)
    netg["to_rgb.1.bias"] = np.zeros([5], np.float32)
    files = published("2022", made)
    before = gan.get_weights()
    with pytest.raises(UsageError) as error:
        df_gan.load_weights(gan, files)
    text = str(error.value)
    assert "GBlocks.1.c1.bias is missing" in text
    assert "GBlocks.0.c9.weight is left over" in text
    assert "to_rgb.1.bias has the shape (5,) in the place of (3,)" in text
    for ours, old in zip(gan.get_weights(), before, strict=True):
        np.testing.assert_array_equal(ours, old)


def test_unused_shortcuts_may_be_missing() -> None:
    made = networks("2022", image_size=64)
    for key in ("weight", "bias"):
        del made["netD"][f"DBlocks.3.conv_s.{key}"]
    files = published("2022", made)
    gan = build(files)
    df_gan.load_weights(gan, files)
    del made["netD"]["DBlocks.0.conv_s.bias"]
    with pytest.raises(UsageError, match=r"DBlocks\.0\.conv_s\.bias is missing"):
        df_gan.load_weights(gan, published("2022", made))


def adam(made: dict, names: tuple[str, ...], *, seed: int) -> dict:
    """The state of PyTorch's Adam after 7 steps, its moments random."""
    generator = np.random.default_rng(seed)
    tensors = [tensor for name in names for tensor in made[name].values()]
    return {
        "state": {
            number: {
                "step": np.float32(7),
                "exp_avg": generator.normal(size=tensor.shape).astype(np.float32),
                "exp_avg_sq": generator.uniform(1, 2, tensor.shape).astype(np.float32),
            }
            for number, tensor in enumerate(tensors)
        },
        "param_groups": [{"params": list(range(len(tensors)))}],
    }


def test_missing_optimizer_state_starts_anew(gan: DFGAN) -> None:
    made = networks("2022")
    files = published("2022", made, optimizer_G=adam(made, ("netG",), seed=3))
    assert df_gan.load_weights(gan, files) == ["the discriminator's optimizer"]
    assert int(gan.step) == 7


def test_generator_without_discriminator_has_a_new_discriminator_with_a_new_optimizer(
    gan: DFGAN,
) -> None:
    made = networks("2022")
    optimizers = {
        "optimizer_G": adam(made, ("netG",), seed=3),
        "optimizer_D": adam(made, ("netD", "netC"), seed=4),
    }
    files = published("2022", {"netG": made["netG"]}, **optimizers)
    new_parts = ["the discriminator", "the discriminator's optimizer"]
    assert df_gan.load_weights(gan, files) == new_parts
    assert int(gan.step) == 7


BROKEN_VALUES = [
    (np.nan, "must hold finite floating-point numbers, got NaN or infinity in"),
    (-np.inf, "must hold finite floating-point numbers, got NaN or infinity in"),
    (np.float64(1e39), "must hold finite floating-point numbers, got NaN or infinity in"),
    (np.int64(1), "must hold finite floating-point numbers, got int64 in"),
]


@pytest.mark.parametrize(("value", "rule"), BROKEN_VALUES)
def test_weights_without_finite_fractions_are_refused_by_name(
    gan: DFGAN, value: np.generic, rule: str
) -> None:
    made = networks("2022")
    broken = made["netD"]["conv_img.weight"].astype(np.asarray(value).dtype)
    broken[0, 0] = value
    with pytest.raises(UsageError, match=f"netD: {rule} conv_img.weight$"):
        published("2022", {**made, "netD": {**made["netD"], "conv_img.weight": broken}})
    # The same for text encoders and for the moments of an optimizer.
    state = states.rnn_encoder(vocabulary_size=9, seed=2)
    state["rnn.bias_hh_l0"] = np.full_like(state["rnn.bias_hh_l0"], value, type(value))
    with pytest.raises(UsageError, match=f"a.pth: {rule} rnn.bias_hh_l0$"):
        weight_mapping.weights_of(state, name="a.pth")
    moments = adam(made, ("netG",), seed=3)
    moments["state"][0]["exp_avg"] = np.full_like(made["netG"]["fc.weight"], value, type(value))
    with pytest.raises(UsageError, match=f"generator's optimizer: {rule} exp_avg of fc.weight$"):
        df_gan.load_weights(gan, published("2022", made, optimizer_G=moments))


def test_error_about_many_broken_tensors_is_short() -> None:
    made = networks("2022")
    made["netG"] = {key: np.full_like(tensor, np.nan) for key, tensor in made["netG"].items()}
    with pytest.raises(
        UsageError, match=r"^netG: .* in fc\.weight, .*, and in \d\d+ others$"
    ) as it:
        published("2022", made)
    assert len(str(it.value)) < 400


@pytest.mark.parametrize("step", [-1, 2**60, float("nan"), float("inf"), np.zeros([2]), {}])
def test_optimizer_state_of_no_possible_step_is_refused(gan: DFGAN, step: object) -> None:
    made = networks("2022")
    state = adam(made, ("netG",), seed=3)
    for moments in state["state"].values():
        moments["step"] = step
    with pytest.raises(UsageError, match="the generator's optimizer: must be Adam's"):
        df_gan.load_weights(gan, published("2022", made, optimizer_G=state))


@pytest.mark.parametrize("name", df_gan.AVERAGES)
@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("wrapped", [False, True])
def test_sampling_uses_the_ema_beside_the_weights_unless_live_weights_are_wanted(
    gan: DFGAN, name: str, inside: bool, wrapped: bool
) -> None:
    live, average = networks("2022"), networks("2022", seed=8)["netG"]
    ema: dict = {"netG": average} if wrapped else average
    model = {**live, name: ema} if inside else live
    checkpoint = {"model": model, **({} if inside else {name: ema})}
    for weights in (None, "ema"):
        files = df_gan.published(checkpoint, None, file="f", weights=weights)
        df_gan.load_weights(gan, files)
        assert files.unused == ()
        for network, state in ((gan.average_generator, average), (gan.generator, live["netG"])):
            np.testing.assert_array_equal(network.to_image.bias, state["to_rgb.1.bias"])
    files = df_gan.published(checkpoint, None, file="f", weights="live")
    df_gan.load_weights(gan, files)
    assert files.unused == (name,)
    bias = live["netG"]["to_rgb.1.bias"]
    np.testing.assert_array_equal(gan.average_generator.to_image.bias, bias)


def test_missing_ema_is_refused() -> None:
    with pytest.raises(UsageError, match=r"--weights: must be live, for f\.pth holds no EMA, got"):
        df_gan.published({"model": networks("2022")}, None, file="f.pth", weights="ema")


def test_entries_without_use_are_named() -> None:
    made = networks("2022")
    group = {"lr": 0.1, "betas": (0, 1), "weight_decay": 0.5, "fused": None, "params": []}
    for state in ({"param_groups": [group]}, {"param_groups": [group, 5]}):
        optimizers = {"optimizer_D": state, "optimizer_G": {"param_groups": 5}, "other": {}}
        content = {"model": made, "optimizers": optimizers, "epoch": 3, "args": {"a": 5}}
        files = df_gan.published(content, None, file="f")
        assert files.unused == ("epoch", "args", "other", "lr", "betas", "weight_decay")


def test_optimizer_state_of_other_networks_is_refused(gan: DFGAN) -> None:
    made = networks("2022")
    state = adam(made, ("netD",), seed=5)
    files = published("2022", made, optimizer_D=state)
    with pytest.raises(UsageError, match="the discriminator's optimizer: must be Adam's, of as"):
        df_gan.load_weights(gan, files)


@pytest.mark.parametrize(
    "content",
    [
        None,
        [],
        {},
        {"model": 3},
        {"model": {"netD": {}}},
        {"model": {"netG": {}, "netD": 3}},
        {"model": {"netG": {}}, "optimizers": None},
        {"model": {"netG": {}}, "optimizers": 3},
        {"a": np.zeros(3)},
        {5: np.zeros(3)},
        {"a": 5},
        {"model": {"netG": {}}, "optimizers": np.zeros(3)},
        {"model": np.zeros(3)},
        {"model": {"netG": {}, "ema": np.zeros(3)}},
        {"model": {"netG": {}, "other": np.zeros(3)}},
        {"model": {"netG": {"fc.weight": [np.zeros(3)]}}},
        {"model": {"other": np.zeros(3)}},
    ],
)
def test_files_of_other_content_are_refused_without_a_dump(content: object) -> None:
    with pytest.raises(UsageError, match="must h") as error:
        df_gan.sizes(df_gan.published(content, None, file="f.pth"))
    assert "array(" not in str(error.value)
    assert "0." not in str(error.value)


def test_imported_damsm_computes_the_published_sentences() -> None:
    state = states.rnn_encoder(vocabulary_size=40, seed=2)
    options = text_encoders.damsm_options(state)
    assert options == TextOptions(
        text_encoder_kind="bi_lstm",
        max_words=18,
        word_rules="letters",
        sampling_max_words=1000,
        word_embedding_size=300,
        sentence_size=256,
    )
    encoder = make_encoder(options, vocabulary_size=40)
    text_encoders.load_damsm(encoder, state)
    ids = np.random.default_rng(0).integers(1, 40, (4, 18)).astype(np.int32)
    length = np.array([18, 7, 1, 12], np.int32)
    ids[np.arange(18) >= length[:, np.newaxis]] = 0
    words, sentence = encoder.words_and_sentence({"ids": ids, "length": length})
    reference_words, reference_sentence = rnn_encoder.encode(state, ids, length)
    close(sentence, reference_sentence)
    close(np.transpose(words, (0, 2, 1)), reference_words)


@pytest.mark.parametrize("variant", ["cvpr2016", "icml2016_flowers", "icml2016_birds"])
def test_imported_char_cnn_rnn_computes_the_published_sentences(variant: str) -> None:
    state = states.char_cnn_rnn(variant=variant, seed=2)
    options = text_encoders.char_cnn_rnn_options(state)
    assert options.text_encoder_kind == f"char_cnn_rnn_{variant}"
    encoder = make_encoder(options, vocabulary_size=71)
    text_encoders.load_char_cnn_rnn(encoder, state)
    ids = np.random.default_rng(0).integers(0, 71, (3, 201)).astype(np.int32)
    sentence = encoder({"ids": ids, "length": np.full([3], 201, np.int32)})
    close(sentence, char_cnn_rnn.encode(state, ids))


def write_vocabulary(path: pathlib.Path, words: list[str], captions: object = None) -> pathlib.Path:
    by_id = dict(enumerate(["<end>", *words]))
    content = [[], captions or [[1, 2], [2]], by_id, {word: i for i, word in by_id.items()}]
    path.write_bytes(pickle.dumps(content, protocol=2))
    return path


def test_vocabulary_file_has_words_and_captions(tmp_path: pathlib.Path) -> None:
    path = write_vocabulary(tmp_path / "c.pickle", ["red", "bird", "a"], [[3, 1, 2], [2]])
    words, captions = text_encoders.read_vocabulary(path, words=4)
    assert words == ["red", "bird", "a"]
    assert captions == ["a red bird", "bird"]


@pytest.mark.parametrize(
    ("words", "count", "rule"),
    [
        (["red"], 3, "must number the 3 words"),
        (["red", "red"], 3, "each word once"),
        (["red", "a b"], 3, "without spaces"),
        (["red", ""], 3, "without spaces"),
        (["red", 7], 3, "without spaces"),
    ],
)
def test_invalid_vocabularies_are_refused(
    words: list, count: int, rule: str, tmp_path: pathlib.Path
) -> None:
    path = write_vocabulary(tmp_path / "c.pickle", words)
    with pytest.raises(UsageError, match=rule):
        text_encoders.read_vocabulary(path, words=count)


def test_run_directory_is_complete_or_absent(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = TextOptions("bi_lstm", max_words=18, word_embedding_size=3, sentence_size=4)
    text_encoder = importing.PublishedTextEncoder(
        pathlib.Path("t.pth"), options, make_encoder(options, vocabulary_size=3), ["a", "b"], ["a"]
    )
    notes = importing.import_text_encoder(text_encoder, run_dir=tmp_path / "run", versions={})
    assert notes == ["bi_lstm: 105 parameters, 2 words", "not used: wordtoix"]
    with pytest.raises(UsageError, match="--run_dir: must be absent or empty"):
        importing.import_text_encoder(text_encoder, run_dir=tmp_path / "run", versions={})

    def fail(self: object) -> str:
        raise UsageError("--run_dir", "must have room", "none")

    monkeypatch.setattr(importing.Checkpoints, "save", fail)
    with pytest.raises(UsageError, match="must have room"):
        importing.import_text_encoder(text_encoder, run_dir=tmp_path / "other", versions={})
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    monkeypatch.undo()
    # An empty folder stays the same folder: the link stays a link.
    (tmp_path / "place").mkdir()
    (tmp_path / "link").symlink_to("place")
    importing.import_text_encoder(text_encoder, run_dir=tmp_path / "link", versions={})
    assert (tmp_path / "link").is_symlink()
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert {path.name for path in (tmp_path / "place").iterdir()} == names
    assert RunDirectory.existing(tmp_path / "link").read_config().recipe.model == "damsm"


def test_sizes_are_derived_from_shapes() -> None:
    for form in ("2022", "2020"):
        fields = df_gan.sizes(published(form, networks(form, image_size=128, nf=3)))
        assert fields["image_size"] == 128
        assert (fields["latent_size"], fields["sentence_size"]) == (100, 256)
        assert fields["generator_channels"] == fields["discriminator_channels"] == 3
        assert fields["generator_form"] == fields["discriminator_form"] == form
        recipe = dataclasses.replace(recipes.Recipe(), **fields)
        recipe.check()
        assert recipes.system_class(recipe) is DFGAN
