"""Matching models: a text and an image encoder trained against each other.

DAMSM: Xu et al. 2018, "AttnGAN: Fine-Grained Text to Image Generation with Attentional Generative
Adversarial Networks", section 3.2. SJE: Reed et al. 2016, "Learning Deep Representations of
Fine-Grained Visual Descriptions", section 3.1. Both follow the published codes in loss and rates.
What differs: the image encoder learns (or is Inception-v3, for SJE too); DAMSM's gradients are
clipped over both encoders together, not over the text encoder alone, and its Adam is not made anew
after every pass; SJE's batches are random, not of 40 different classes, and its rate falls after a
pass over the data. Rows of one class are never wrong for each other, and neither are rows with the
same words.
"""

import abc
import dataclasses
from collections.abc import Sequence
from typing import ClassVar

import tensorflow as tf
import tf_keras as keras

from tfgan2.adversarial.augment import Augmentation
from tfgan2.adversarial.averaging import Averaging
from tfgan2.adversarial.gan import GAN
from tfgan2.adversarial.noise import StepNoise
from tfgan2.adversarial.updates import Batch, Parts, Update
from tfgan2.models.blocks import DType
from tfgan2.models.image_encoders import InceptionImageEncoder, SmallImageEncoder
from tfgan2.text.encoders import TextOptions, make_encoder

IMAGE_SIZES_PX = (16, 32, 64, 128, 256)
CLIPPED_NORM = 0.25
# DAMSM's: of the attention, of the words' mean, of the cross-entropy.
GAMMA_ATTENTION, GAMMA_WORDS, GAMMA_MATCH = 4.0, 5.0, 10.0
MARGIN = 1.0
NEVER = -1e9


@dataclasses.dataclass(frozen=True)
class MatchingOptions(TextOptions):
    """What defines the two encoders; every field is a field of the recipe."""

    seed: int
    image_size: int
    image_encoder: str
    image_encoder_channels: int
    augment_translation_px: int
    matching_learning_rate: float
    matching_learning_rate_decay: float


class Matching(GAN):
    """Two encoders with one loss: a game of one player, and nothing is drawn."""

    options_class = MatchingOptions
    image_sizes_px = IMAGE_SIZES_PX
    compares_regions: ClassVar[bool]
    smallest_rate: ClassVar[float]

    def __init__(
        self,
        options: MatchingOptions,
        *,
        image_channels: int,
        vocabulary_size: int,
        averaging: Averaging,
        dtype: DType = "float32",
    ) -> None:
        """Builds the encoders.

        Args:
          options: what defines them.
          image_channels: 1 or 3.
          vocabulary_size: number of ids of the tokenizer, padding included.
          averaging: its batch size says how long a pass over the data is; no average is kept.
          dtype: policy of the networks.
        """
        super().__init__(name=type(self).__name__.lower(), seed=options.seed, averaging=averaging)
        self.options = options
        self.augmentation = Augmentation(translation_px=options.augment_translation_px)
        self.text_encoder = make_encoder(options, vocabulary_size=vocabulary_size, dtype=dtype)
        if options.image_encoder == "inception_v3":
            self.image_encoder = InceptionImageEncoder(
                code_size=options.sentence_size, with_regions=self.compares_regions, dtype=dtype
            )
        else:
            self.image_encoder = SmallImageEncoder(
                image_size=options.image_size,
                image_channels=image_channels,
                base_channels=options.image_encoder_channels,
                code_size=options.sentence_size,
                with_regions=self.compares_regions,
                dtype=dtype,
            )

    @property
    def averages(self) -> tuple[tuple[keras.Model, keras.Model], ...]:
        """None: the published codes keep none."""
        return ()

    @property
    def updates(self) -> tuple[Update, ...]:
        """One, of both encoders."""
        networks = (self.text_encoder, self.image_encoder)
        variables = [variable for network in networks for variable in network.trainable_variables]
        optimizer = self.optimizers["matching"]
        return (Update("matching", self.matching_loss, variables, optimizer),)

    def generate(self, batch: Batch, noise: StepNoise) -> StepNoise:
        """Draws nothing; the noise moves the images about."""
        return noise

    @abc.abstractmethod
    def matching_loss(self, batch: Batch, noise: StepNoise) -> tuple[tf.Tensor, Parts]:
        """How far the rows' own pairs are from standing out among all pairs of the batch."""

    @abc.abstractmethod
    def similarity_codes(self, codes: tf.Tensor) -> tf.Tensor:
        """Codes [B, D] of images or sentences, such that their inner products are similarities."""

    def encode_images(self, images: tf.Tensor) -> tf.Tensor:
        """Codes of images float32 [B, S, S, C] in [-1, 1], for inner products with sentences."""
        return self.similarity_codes(self.image_encoder(images)[1])

    def encode_captions(self, tokens: dict[str, tf.Tensor]) -> tf.Tensor:
        """Codes of captions, ids [B, T] and length [B], for inner products with images."""
        return self.similarity_codes(self.text_encoder(tokens))

    def learning_rate(self, images_per_epoch: int) -> "EpochDecay":
        """The learning rate, falling after every pass over the data."""
        return EpochDecay(
            start=self.options.matching_learning_rate,
            decay=self.options.matching_learning_rate_decay,
            smallest=self.smallest_rate,
            steps_per_epoch=max(1, images_per_epoch // self.averaging.batch_size),
        )

    def encoded(self, batch: Batch, noise: StepNoise) -> tuple[tf.Tensor | None, tf.Tensor]:
        """Regions [B, R, D] if there are any, and codes [B, D] of images, moved if so told."""
        image = self.augmented(batch["image"], noise, "image")
        return self.image_encoder(image, training=True)


class DAMSM(Matching):
    """Attention between words and regions, and cosine between sentence and image."""

    compares_regions = True
    smallest_rate = 0.1

    def make_optimizers(self, images_per_epoch: int) -> dict[str, keras.optimizers.Optimizer]:
        """Adam as published, its gradients clipped."""
        rate = self.learning_rate(images_per_epoch)
        return {"matching": keras.optimizers.Adam(rate, 0.5, 0.999, global_clipnorm=CLIPPED_NORM)}

    def similarity_codes(self, codes: tf.Tensor) -> tf.Tensor:
        """Codes of length 1: their inner products are cosines."""
        return tf.math.l2_normalize(codes, axis=1)

    def matching_loss(self, batch: Batch, noise: StepNoise) -> tuple[tf.Tensor, Parts]:
        """Cross-entropy of words and of sentences, each in both directions."""
        tokens = batch["tokens"]
        draws = noise.uniform("dropout", tokens["ids"].shape[1] * self.options.word_embedding_size)
        words, sentences = self.text_encoder.words_and_sentence(tokens, dropout=draws)
        regions, codes, words, sentences = all_rows(*self.encoded(batch, noise), words, sentences)
        length, label, ids = all_rows(tokens["length"], batch["label"], tokens["ids"])
        same = same_class(label, ids)
        of_words = cross_entropies(GAMMA_MATCH * word_similarities(words, length, regions), same)
        cosines = tf.matmul(
            self.similarity_codes(codes), self.similarity_codes(sentences), transpose_b=True
        )
        of_sentences = cross_entropies(GAMMA_MATCH * cosines, same)
        loss = of_words + of_sentences
        return loss, {"loss": loss, "words": of_words, "sentences": of_sentences}


class SJE(Matching):
    """A margin between the score of an image with its own caption and with the others'."""

    compares_regions = False
    smallest_rate = 0.0

    def make_optimizers(self, images_per_epoch: int) -> dict[str, keras.optimizers.Optimizer]:
        """RMSprop, as published, with Keras's decay of its averages."""
        return {"matching": keras.optimizers.RMSprop(self.learning_rate(images_per_epoch))}

    def similarity_codes(self, codes: tf.Tensor) -> tf.Tensor:
        """The codes themselves: scores are inner products."""
        return codes

    def matching_loss(self, batch: Batch, noise: StepNoise) -> tuple[tf.Tensor, Parts]:
        """Structured joint embedding loss."""
        _, codes = self.encoded(batch, noise)
        sentences = self.text_encoder(batch["tokens"])
        codes, sentences = all_rows(codes, sentences)
        same = same_class(*all_rows(batch["label"], batch["tokens"]["ids"]))
        loss = structured_joint_embedding(codes, sentences, same)
        return loss, {"loss": loss}


class EpochDecay(keras.optimizers.schedules.LearningRateSchedule):
    """A rate that falls by a factor after every pass over the data, down to a share of itself."""

    def __init__(
        self, *, start: float, decay: float, smallest: float, steps_per_epoch: int
    ) -> None:
        super().__init__()
        self.start, self.decay, self.smallest = start, decay, smallest
        self.steps_per_epoch = steps_per_epoch

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        """The rate at a step."""
        epoch = tf.floor(tf.cast(step, tf.float32) / self.steps_per_epoch)
        return self.start * tf.maximum(tf.pow(self.decay, epoch), self.smallest)

    def get_config(self) -> dict[str, float]:
        """Its arguments."""
        return {
            "start": self.start,
            "decay": self.decay,
            "smallest": self.smallest,
            "steps_per_epoch": self.steps_per_epoch,
        }


def all_rows(*tensors: tf.Tensor) -> Sequence[tf.Tensor]:
    """Tensors [rows of this replica, ...] over the rows of all replicas, in their order.

    Every replica then compares all rows with all, so that their number changes nothing.
    """
    context = tf.distribute.get_replica_context()
    if context.num_replicas_in_sync == 1:
        return tensors
    return [context.all_gather(tensor, axis=0) for tensor in tensors]


def same_class(label: tf.Tensor, ids: tf.Tensor) -> tf.Tensor:
    """Pairs of different rows that share a label, or all their words.

    Args:
      label: int64 [B]; -1 is none.
      ids: int32 [B, T], of words or characters.

    Returns:
      bool [B, B].
    """
    labels = tf.logical_and(label[:, tf.newaxis] == label, label >= 0)
    words = tf.reduce_all(ids[:, tf.newaxis] == ids, axis=2)
    rows = tf.eye(tf.shape(label)[0], dtype=tf.bool)
    return tf.logical_and(tf.logical_or(labels, words), tf.logical_not(rows))


def word_similarities(words: tf.Tensor, length: tf.Tensor, regions: tf.Tensor) -> tf.Tensor:
    """How well every caption's words find themselves in every image's regions.

    Args:
      words: float32 [B, T, D], 0 at padded steps.
      length: int32 [B], words of each caption.
      regions: float32 [N, R, D].

    Returns:
      float32 [N, B].

    Source: AttnGAN, equations 7 to 10.
    """
    real = tf.sequence_mask(length, words.shape[1])
    scores = tf.einsum("nrd,btd->nbrt", regions, words)
    of_words = tf.nn.softmax(tf.where(real[tf.newaxis, :, tf.newaxis, :], scores, NEVER), axis=3)
    attention = tf.nn.softmax(GAMMA_ATTENTION * of_words, axis=2)
    contexts = tf.einsum("nbrt,nrd->nbtd", attention, regions)
    cosines = tf.reduce_sum(
        tf.math.l2_normalize(contexts, axis=3) * tf.math.l2_normalize(words, axis=2), axis=3
    )
    # A caption without words would have no sum to take a logarithm of.
    counted = tf.logical_or(real, length[:, tf.newaxis] == 0)
    return tf.reduce_logsumexp(tf.where(counted, GAMMA_WORDS * cosines, NEVER), axis=2)


def cross_entropies(similarities: tf.Tensor, same: tf.Tensor) -> tf.Tensor:
    """Cross-entropy of finding each image's caption, plus that of finding each caption's image.

    Args:
      similarities: float32 [B, B], images by captions, those that belong together on the diagonal.
      same: bool [B, B], pairs that are left out.

    Returns:
      float32 scalar.
    """
    logits = tf.where(same, NEVER, similarities)
    rows = tf.range(tf.shape(logits)[0])
    return sum(
        tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(rows, direction))
        for direction in (logits, tf.transpose(logits))
    )


def structured_joint_embedding(
    images: tf.Tensor, sentences: tf.Tensor, same: tf.Tensor
) -> tf.Tensor:
    """Hinge on every wrong pair's score against the right one's, in both directions.

    Args:
      images: float32 [B, D].
      sentences: float32 [B, D].
      same: bool [B, B], pairs that are not wrong.

    Returns:
      float32 scalar, over B squared, as in the published code.

    Source: Reed et al. 2016, "Learning Deep Representations of Fine-Grained Visual Descriptions",
      equations 4 and 5.
    """
    scores = tf.matmul(images, sentences, transpose_b=True)
    right = tf.linalg.diag_part(scores)
    wrong = tf.logical_not(tf.logical_or(same, tf.eye(tf.shape(scores)[0], dtype=tf.bool)))
    by_image = tf.nn.relu(MARGIN + scores - right[:, tf.newaxis])
    by_caption = tf.nn.relu(MARGIN + scores - right[tf.newaxis, :])
    hinges = tf.where(wrong, by_image + by_caption, 0.0)
    return tf.reduce_sum(hinges) / tf.cast(tf.size(scores), tf.float32)
