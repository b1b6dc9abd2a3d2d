"""Inputs of a step: ids of captions, ids of label texts, or none."""

import dataclasses
import pathlib

import numpy as np
import pytest
import tensorflow as tf

from tests.tiny import TINY
from tfgan2.data import records
from tfgan2.program import UsageError
from tfgan2.runs import label_texts
from tfgan2.text.tokenizers import WordTokenizer, write_vocabulary
from tfgan2.training import inputs

IMG_TXT = TINY["img_txt"]


@pytest.fixture
def tokenizer(tmp_path: pathlib.Path) -> WordTokenizer:
    path = tmp_path / "vocabulary.txt"
    write_vocabulary(path, dict.fromkeys(["zero", "one", "two"], 1))
    return WordTokenizer(path, max_words=2)


def batches(captions: list, labels: list[int]) -> tf.data.Dataset:
    caption, label = np.array(captions, object), np.array(labels)
    batch = {
        "image": tf.zeros([len(labels), 4, 4, 1]),
        "caption": tf.constant(caption),
        "mismatched_caption": tf.constant(np.roll(caption, 1, axis=0)),
        "label": tf.constant(label),
        "mismatched_label": tf.constant(np.roll(label, 1)),
    }
    return tf.data.Dataset.from_tensors(batch)


def only(dataset: tf.data.Dataset) -> dict:
    (batch,) = dataset.as_numpy_iterator()
    return batch


@pytest.mark.parametrize(
    ("text_source", "expected"),
    [("caption", None), ("label", ["zero", "one", "two"]), ("label_number", ["0", "1", "2"])],
)
def test_texts_of_a_joint_model_are_captions_label_names_or_label_numbers(
    text_source: str, expected: list[str] | None, manifest: records.Manifest
) -> None:
    recipe = dataclasses.replace(IMG_TXT, text_source=text_source)
    texts = label_texts.label_texts(recipe, manifest)
    assert (texts and texts[:3]) == expected
    assert texts is None or len(texts) == 10


@pytest.mark.parametrize("name", ["df_gan", "auto_write"])
def test_other_models_have_no_label_texts(name: str, manifest: records.Manifest) -> None:
    recipe = dataclasses.replace(TINY[name], text_source="label")
    assert label_texts.label_texts(recipe, manifest) is None


def test_label_texts_need_labels(manifest: records.Manifest) -> None:
    without = dataclasses.replace(manifest, label_names=())
    with pytest.raises(UsageError, match="--text_source: must be caption for a data set without"):
        label_texts.label_texts(IMG_TXT, without)


def test_captions_are_converted_to_ids(tokenizer: WordTokenizer) -> None:
    batch = only(inputs.tokenized(batches(["two one", "a zero"], [5, 6]), tokenizer))
    assert set(batch) == {"image", "label", "tokens", "mismatched_tokens"}
    assert batch["tokens"]["ids"].tolist() == [[3, 2], [1, 0]]
    assert batch["tokens"]["length"].tolist() == [2, 1]
    assert batch["mismatched_tokens"]["ids"].tolist() == [[1, 0], [3, 2]]
    assert batch["label"].tolist() == [5, 6]


def test_several_captions_of_an_image_stay_together(tokenizer: WordTokenizer) -> None:
    captions = [["one", "two", "two one"], ["zero", "", "one"]]
    batch = only(inputs.tokenized(batches(captions, [0, 1]), tokenizer))
    expected = [[[2, 0], [3, 0], [3, 2]], [[1, 0], [0, 0], [2, 0]]]
    assert batch["tokens"]["ids"].tolist() == expected
    assert batch["tokens"]["length"].tolist() == [[1, 1, 2], [1, 0, 1]]
    assert batch["mismatched_tokens"]["ids"].tolist() == expected[::-1]


def test_label_texts_replace_captions(tokenizer: WordTokenizer) -> None:
    dataset = batches(["one", "one", "one"], [2, 0, 1])
    batch = only(inputs.tokenized(dataset, tokenizer, texts=["zero", "one", "two"]))
    assert batch["tokens"]["ids"].tolist() == [[3, 0], [1, 0], [2, 0]]
    assert batch["mismatched_tokens"]["ids"].tolist() == [[2, 0], [3, 0], [1, 0]]


def test_without_a_tokenizer_batches_have_images_and_labels_only() -> None:
    batch = only(inputs.tokenized(batches(["one"], [4]), None))
    assert set(batch) == {"image", "label"}


def test_prefetching_does_not_wait_for_the_ops_of_a_step() -> None:
    dataset = inputs.distributed(batches(["a"], [0]), tf.distribute.get_strategy())
    assert dataset.options().threading.private_threadpool_size > 0
