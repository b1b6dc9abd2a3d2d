"""Cases that write.py writes and tests/interop/test_published.py reads, a folder for each."""

import dataclasses

# Every format has the same files, in a folder with the name of the format.
FORMATS = ("zip", "legacy")


@dataclasses.dataclass(frozen=True)
class DFGAN:
    """A DF-GAN.

    Attributes:
      form: of the published code, `2022` or `2020`.
      image_size: side in pixels.
      nf: channels at full size.
      latent_size: length of the noise.
      sentence_size: length of the sentence.
      parallel: whether keys begin with `module.`, as parallel training saves them.
    """

    form: str
    image_size: int
    nf: int
    latent_size: int = 100
    sentence_size: int = 256
    parallel: bool = False

    @property
    def generator_file(self) -> str:
        return "state_epoch_0007.pth" if self.form == "2022" else "netG_007.pth"


@dataclasses.dataclass(frozen=True)
class RNNEncoder:
    """DAMSM's text encoder."""

    vocabulary_size: int
    embedding_size: int = 300
    sentence_size: int = 256


@dataclasses.dataclass(frozen=True)
class CharCNNRNN:
    """A variant of char-CNN-RNN, whose other sizes are fixed."""

    variant: str
    units: int
    gated: bool = False

    @property
    def file(self) -> str:
        return f"lm_sje_{self.variant}.pth"


DF_GANS = {
    "2022_32px": DFGAN("2022", 32, nf=1, latent_size=3, sentence_size=4),
    "2020_32px": DFGAN("2020", 32, nf=1, latent_size=3, sentence_size=4, parallel=True),
    "2022_64px": DFGAN("2022", 64, nf=4, parallel=True),
    "2022_256px": DFGAN("2022", 256, nf=4),
    "2022_256px_full": DFGAN("2022", 256, nf=32),
    "2020_64px": DFGAN("2020", 64, nf=4),
    "2020_256px": DFGAN("2020", 256, nf=4, parallel=True),
}
RNN_ENCODERS = {
    "rnn_encoder_small": RNNEncoder(50, embedding_size=5, sentence_size=4),
    "rnn_encoder_50": RNNEncoder(50),
    "rnn_encoder_5450": RNNEncoder(5450),
}
CHAR_CNN_RNNS = {
    "char_cnn_rnn_cvpr2016": CharCNNRNN("cvpr2016", 256),
    "char_cnn_rnn_icml2016_flowers": CharCNNRNN("icml2016_flowers", 512),
    "char_cnn_rnn_icml2016_birds": CharCNNRNN("icml2016_birds", 512, gated=True),
}
# The committed files in tests/interop/published/: small, and not all in both formats.
COMMITTED = {"2022_32px": ("zip",), "2020_32px": ("legacy",), "rnn_encoder_small": FORMATS}
