"""Text encoders: sizes, reference values, and the inputs that a sentence depends on."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from tests.reference import rnn_encoder, states
from tfgan2.text.char_cnn_rnn import VARIANTS, CharCNNRNN
from tfgan2.text.encoders import LSTM, BiLSTM, TextOptions, WordCNN, make_encoder

Tokens = dict[str, tf.Tensor]


def small(kind: type[keras.Model]) -> keras.Model:
    keras.utils.set_random_seed(0)
    embedding = {} if kind is WordCNN else {"word_embedding_size": 5}
    encoder = kind(vocabulary_size=9, sentence_size=8, **embedding)
    for variable in encoder.trainable_variables:
        # Initial embeddings are too small for a visible influence.
        variable.assign(variable + tf.random.normal(variable.shape, stddev=0.5))
    return encoder


def some_captions() -> Tokens:
    ids = [[3, 4, 1, 0, 0, 0], [5, 0, 0, 0, 0, 0], [8, 7, 6, 5, 4, 3], [0, 0, 0, 0, 0, 0]]
    return {"ids": tf.constant(ids), "length": tf.constant([3, 1, 6, 0])}


EACH_OF_WORDS = pytest.mark.parametrize("kind", [WordCNN, LSTM, BiLSTM])


@EACH_OF_WORDS
def test_sentence_does_not_depend_on_padding(kind: type[keras.Model]) -> None:
    encoder, tokens = small(kind), some_captions()
    sentence = encoder(tokens)
    real = tf.sequence_mask(tokens["length"], 6)
    rubbish = {**tokens, "ids": tf.where(real, tokens["ids"], 8)}
    np.testing.assert_allclose(sentence, encoder(rubbish), atol=1e-6)
    for row, length in enumerate(tokens["length"].numpy()[:3]):
        short = {"ids": tokens["ids"][row : row + 1, :length], "length": tf.constant([length])}
        np.testing.assert_allclose(sentence[row : row + 1], encoder(short), atol=1e-6)


@EACH_OF_WORDS
def test_sentence_depends_on_words_and_their_order(kind: type[keras.Model]) -> None:
    ids = tf.constant([[1, 2, 3], [3, 2, 1], [4, 2, 3], [1, 2, 4]])
    sentences = small(kind)({"ids": ids, "length": tf.constant([3] * 4)}).numpy()
    # Each direction of a bidirectional encoder has half of the units.
    for part in np.split(sentences, 2 if kind is BiLSTM else 1, axis=1):
        assert np.abs(part[1:] - part[0]).max(axis=1).min() > 1e-3


@EACH_OF_WORDS
def test_empty_caption_has_a_finite_sentence_and_finite_gradients(kind: type[keras.Model]) -> None:
    encoder = small(kind)
    with tf.GradientTape() as tape:
        sentence = encoder({name: it[3:] for name, it in some_captions().items()})
        total = tf.reduce_sum(sentence)
    assert np.isfinite(sentence).all()
    if kind is LSTM:
        assert not sentence.numpy().any()
    gradients = tape.gradient(total, encoder.trainable_variables)
    assert all(np.isfinite(tf.convert_to_tensor(gradient)).all() for gradient in gradients)


@pytest.mark.parametrize("kind", [LSTM, BiLSTM])
def test_sentence_is_the_same_for_any_number_of_steps(kind: type[keras.Model]) -> None:
    encoder, tokens = small(kind), some_captions()
    of_any_length = tf.function(
        lambda ids, length: encoder({"ids": ids, "length": length}),
        input_signature=[tf.TensorSpec([None, None], tf.int32), tf.TensorSpec([None], tf.int32)],
    )
    np.testing.assert_allclose(encoder(tokens), of_any_length(**tokens), atol=1e-6)
    longer = tf.pad(tokens["ids"], [[0, 0], [0, 30]])
    np.testing.assert_allclose(encoder(tokens), of_any_length(longer, tokens["length"]), atol=1e-6)
    ids = tf.constant([[1, 2, 3, 4, 5] * 8])
    length = tf.constant([40])
    unrolled = encoder({"ids": ids, "length": length})
    np.testing.assert_allclose(unrolled, of_any_length(ids, length), atol=1e-6)


def test_bi_lstm_words_do_not_depend_on_padding() -> None:
    encoder, tokens = small(BiLSTM), some_captions()
    real = tf.sequence_mask(tokens["length"], 6)
    rubbish = {**tokens, "ids": tf.where(real, tokens["ids"], 8)}
    words, _ = encoder.words_and_sentence(tokens)
    assert np.isfinite(words).all()
    np.testing.assert_array_equal(words, encoder.words_and_sentence(rubbish)[0])
    short = {"ids": tokens["ids"][:1, :3], "length": tokens["length"][:1]}
    np.testing.assert_allclose(words[:1, :3], encoder.words_and_sentence(short)[0], atol=1e-6)


def test_bi_lstm_has_the_published_parameters_with_one_bias_instead_of_two() -> None:
    encoder = BiLSTM(vocabulary_size=5450, sentence_size=256, word_embedding_size=300)
    assert encoder.count_params() == 2_075_320 - 2 * 512


def test_bi_lstm_dropout_zeroes_embeddings_below_one_half_and_doubles_the_others() -> None:
    encoder = small(BiLSTM)
    tokens = {"ids": tf.constant([[3, 4]]), "length": tf.constant([2])}
    draws = tf.constant([[0.1, 0.5, 0.9, 0.49, 0.0, 0.6, 0.4, 0.99, 0.2, 0.51]])
    _, dropped = encoder.words_and_sentence(tokens, dropout=draws)
    table = encoder.word_embedding.get_weights()[0]
    table[3] *= [0, 2, 2, 0, 0]
    table[4] *= [2, 0, 2, 0, 2]
    encoder.word_embedding.set_weights([table])
    np.testing.assert_allclose(dropped, encoder(tokens), atol=1e-6)


def test_bi_lstm_equals_the_reference() -> None:
    state = states.rnn_encoder(20, embedding_size=7, sentence_size=12, seed=1)
    encoder = BiLSTM(vocabulary_size=20, sentence_size=12, word_embedding_size=7)
    encoder.word_embedding.set_weights([state["encoder.weight"]])
    for layer, direction in ((encoder.forward, "l0"), (encoder.backward, "l0_reverse")):
        biases = (state[f"rnn.bias_{part}_{direction}"] for part in ("ih", "hh"))
        kernels = (state[f"rnn.weight_{part}_{direction}"].T for part in ("ih", "hh"))
        layer.set_weights([*kernels, sum(biases)])
    generator = np.random.default_rng(2)
    ids, lengths = generator.integers(0, 20, [8, 18]), np.array([1, 2, 5, 9, 13, 17, 18, 18])
    expected_words, expected = rnn_encoder.encode(state, ids, lengths)
    tokens = {"ids": tf.constant(ids, tf.int32), "length": tf.constant(lengths, tf.int32)}
    words, sentence = encoder.words_and_sentence(tokens)
    np.testing.assert_allclose(words, expected_words.transpose(0, 2, 1), atol=1e-5)
    np.testing.assert_allclose(sentence, expected, atol=1e-5)
    assert np.abs(expected).max() > 0.1


def test_lstm_equals_the_reference() -> None:
    state = states.rnn_encoder(20, embedding_size=7, sentence_size=12, seed=1)
    encoder = LSTM(vocabulary_size=20, sentence_size=6, word_embedding_size=7)
    encoder.word_embedding.set_weights([state["encoder.weight"]])
    biases = (state[f"rnn.bias_{part}_l0"] for part in ("ih", "hh"))
    kernels = (state[f"rnn.weight_{part}_l0"].T for part in ("ih", "hh"))
    encoder.forward.set_weights([*kernels, sum(biases)])
    ids = np.random.default_rng(2).integers(0, 20, [6, 18])
    lengths = np.array([1, 2, 5, 9, 17, 18])
    _, expected = rnn_encoder.encode(state, ids, lengths)
    tokens = {"ids": tf.constant(ids, tf.int32), "length": tf.constant(lengths, tf.int32)}
    np.testing.assert_allclose(encoder(tokens), expected[:, :6], atol=1e-5)
    assert np.abs(expected).max() > 0.1


def test_lstm_has_the_published_sizes() -> None:
    options = TextOptions(
        text_encoder_kind="lstm", max_words=18, word_embedding_size=256, sentence_size=128
    )
    encoder = make_encoder(options, vocabulary_size=8000)
    # The embedding, then four gates with weights of word, state and bias.
    assert encoder.count_params() == 8000 * 256 + 4 * 128 * (256 + 128 + 1)
    assert encoder.sentence_size == 128


@pytest.fixture(scope="module", params=VARIANTS)
def char_cnn_rnn(request: pytest.FixtureRequest) -> tuple[str, CharCNNRNN]:
    keras.utils.set_random_seed(0)
    return request.param, CharCNNRNN(variant=VARIANTS[request.param], sentence_size=1024)


def character_tokens(ids: np.ndarray) -> Tokens:
    return {"ids": tf.constant(ids, tf.int32), "length": tf.constant([201] * len(ids))}


def test_char_cnn_rnn_parameter_counts_are_the_published_ones(
    char_cnn_rnn: tuple[str, CharCNNRNN],
) -> None:
    counts = {"cvpr2016": 1_814_144, "icml2016_flowers": 2_994_560, "icml2016_birds": 4_045_184}
    variant, encoder = char_cnn_rnn
    assert encoder.count_params() == counts[variant]


def test_char_cnn_rnn_steps_are_the_published_ones(
    char_cnn_rnn: tuple[str, CharCNNRNN], monkeypatch: pytest.MonkeyPatch
) -> None:
    variant, encoder = char_cnn_rnn
    shapes, recur = [], encoder.recurrence.call
    monkeypatch.setattr(encoder.recurrence, "call", lambda f: shapes.append(f.shape) or recur(f))
    assert encoder(character_tokens(np.ones([2, 201]))).shape == (2, 1024)
    steps = {"cvpr2016": 8, "icml2016_flowers": 8, "icml2016_birds": 18}[variant]
    units = {"cvpr2016": 256, "icml2016_flowers": 512, "icml2016_birds": 512}[variant]
    assert [tuple(shape) for shape in shapes] == [(2, steps, units)]


def test_char_cnn_rnn_depends_on_the_order_of_characters(
    char_cnn_rnn: tuple[str, CharCNNRNN],
) -> None:
    _, encoder = char_cnn_rnn
    for variable in encoder.trainable_variables:
        # Larger weights than the initial ones, which leave few features above the threshold.
        spread = np.random.default_rng(1).normal(scale=0.05, size=variable.shape)
        variable.assign_add(spread.astype(np.float32))
    ids = np.random.default_rng(0).integers(1, 71, [201])
    halves = np.concatenate([ids[100:], ids[:100]])
    # Only the inputs of the last steps.
    end = np.concatenate([ids[:150], ids[150:185][::-1], ids[185:]])
    rows = np.stack([ids, ids[::-1], halves, end, ids])
    one, *others, again = encoder(character_tokens(rows)).numpy()
    scale = np.abs(one).max()
    for other in others:
        assert np.abs(one - other).max() > 1e-2 * scale
    np.testing.assert_allclose(one, again, rtol=1e-5, atol=1e-6 * scale)


def test_char_cnn_rnn_ignores_the_length_and_encodes_id_0_as_zeros(
    char_cnn_rnn: tuple[str, CharCNNRNN],
) -> None:
    _, encoder = char_cnn_rnn
    tokens = character_tokens(np.ones([1, 201]))
    shorter = {**tokens, "length": tf.constant([3])}
    np.testing.assert_array_equal(encoder(tokens), encoder(shorter))
    empty = encoder(character_tokens(np.zeros([1, 201])))
    kernel, bias = encoder.convolutions[0].get_weights()
    encoder.convolutions[0].set_weights([np.zeros_like(kernel), bias])
    np.testing.assert_allclose(encoder(tokens), empty, rtol=1e-5, atol=1e-6)
    encoder.convolutions[0].set_weights([kernel, bias])
    assert np.abs(encoder(tokens) - empty).max() > 1e-3
