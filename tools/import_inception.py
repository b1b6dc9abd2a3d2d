r"""Converts torchvision's Inception-v3 to a SavedModel for tools.evaluate; needs no PyTorch.

Example:
  python -m tools.import_inception --weights=inception_v3_google-1a9a5a14.pth \
    --output_dir=features/torchvision
  python -m tools.evaluate --run_dir=runs/birds --data_dir=data/cub --metrics=fid \
    --features=features/torchvision --statistics=bird_val256_FIDK0.npz --samples=30000
"""

import pathlib

from absl import flags

from tfgan2 import program

FLAGS = flags.FLAGS

flags.DEFINE_string(
    "weights", None, "state dict of torchvision's inception_v3, a .pth file", required=True
)
flags.DEFINE_string("output_dir", None, "folder of the SavedModel to write", required=True)
HELP_GROUPS = {"Required": ["weights", "output_dir"]}


def main() -> None:
    """Writes the SavedModel, and prints its folder."""
    # Imported here, so that help and flag errors do not wait for TensorFlow.
    from tfgan2.interop import inception

    program.quieten_tensorflow()
    inception.write_extractor(pathlib.Path(FLAGS.weights), FLAGS.output_dir)
    print(FLAGS.output_dir)


if __name__ == "__main__":
    program.run(main, help_groups=HELP_GROUPS)
