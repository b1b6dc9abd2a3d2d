"""The table of rules: folder and devices -> recipe, sizes, rates, memory; see docs/choosing.md."""

import dataclasses

from tfgan2.program import UsageError
from tfgan2.runs import recipe as recipes
from tfgan2.runs import shipped_recipes
from tools.starting.devices import Devices
from tools.starting.looking import Found

# Fewer pictures are refused; for fewer than MANY, a warning says what to expect.
FEWEST_PICTURES, MANY_PICTURES = 20, 200
# More words than these need a text encoder that is trained before.
FEW_WORDS = 100
# From so many images on, pictures of the measured runs can be recognized.
FEWEST_IMAGES_SHOWN = 50_000
# Fewer passes over the pictures are too few, however many images are shown.
FEWEST_PASSES = 10
TABLE_CORES = 2
# Estimates for one GPU in mixed_float16, not measured: operations, and the least time of a step.
GPU_GFLOP_PER_SECOND = 3000.0
GPU_STEP_SECONDS = 0.03


@dataclasses.dataclass(frozen=True)
class Rule:
    """A row of the table.

    Attributes:
      image_size: side of the generated pictures in px.
      recipe: recipe of the package.
      grey: whether the row is for grey pictures with few words.
      from_side_px: shortest median side of the pictures.
      from_pictures: fewest pictures.
      from_core_hours: fewest hours times CPU cores; None: not on CPUs.
      from_gpu_hours: fewest hours times GPUs.
      batch_size: images per step.
      translation_px: largest translation of images before the discriminator, in px.
      gflop_per_image: floating-point operations of a training step per image, in 1e9.
      images_per_second: training rate on two cores.
      measured: whether the rate has been measured; if not, it is an estimate.
      memory_mib: main memory of training on CPUs, in MiB.
    """

    image_size: int
    recipe: str
    grey: bool
    from_side_px: int
    from_pictures: int
    from_core_hours: float | None
    from_gpu_hours: float
    batch_size: int
    translation_px: int
    gflop_per_image: float
    images_per_second: float
    measured: bool
    memory_mib: int

    @property
    def text_encoder(self) -> bool:
        """Whether the recipe uses a text encoder that is trained before."""
        return self._options.freeze_text_encoder

    @property
    def feature_matching(self) -> bool:
        """Whether the recipe compares a generated picture with the picture of its caption."""
        return self._options.feature_matching_weight > 0.0

    @property
    def _options(self) -> recipes.Recipe:
        return recipes.from_flagfile(shipped_recipes.files()[self.recipe])


RULES = (
    Rule(
        image_size=256,
        recipe="emoji_paired_gan",
        grey=False,
        from_side_px=192,
        from_pictures=5000,
        from_core_hours=None,
        from_gpu_hours=12.0,
        batch_size=16,
        translation_px=16,
        gflop_per_image=44.2,
        images_per_second=3.3,
        measured=False,
        memory_mib=3400,
    ),
    Rule(
        image_size=128,
        recipe="emoji_paired_gan",
        grey=False,
        from_side_px=96,
        from_pictures=500,
        from_core_hours=None,
        from_gpu_hours=2.0,
        batch_size=32,
        translation_px=8,
        gflop_per_image=10.6,
        images_per_second=14.7,
        measured=False,
        memory_mib=2240,
    ),
    Rule(
        image_size=64,
        recipe="emoji_paired_gan",
        grey=False,
        from_side_px=48,
        from_pictures=20,
        from_core_hours=1.0,
        from_gpu_hours=0.0,
        batch_size=8,
        translation_px=4,
        gflop_per_image=2.37,
        images_per_second=51.0,
        measured=True,
        memory_mib=1260,
    ),
    Rule(
        image_size=32,
        recipe="digits_df_gan",
        grey=True,
        from_side_px=24,
        from_pictures=20,
        from_core_hours=0.0,
        from_gpu_hours=0.0,
        batch_size=64,
        translation_px=3,
        gflop_per_image=0.73,
        images_per_second=240.0,
        measured=True,
        memory_mib=1110,
    ),
    Rule(
        image_size=32,
        recipe="emoji_paired_gan",
        grey=False,
        from_side_px=24,
        from_pictures=20,
        from_core_hours=0.0,
        from_gpu_hours=0.0,
        batch_size=8,
        translation_px=2,
        gflop_per_image=0.48,
        images_per_second=180.0,
        measured=False,
        memory_mib=1120,
    ),
    Rule(
        image_size=16,
        recipe="digits_gan_cls",
        grey=False,
        from_side_px=0,
        from_pictures=20,
        from_core_hours=0.0,
        from_gpu_hours=0.0,
        batch_size=64,
        translation_px=1,
        gflop_per_image=0.041,
        images_per_second=1200.0,
        measured=False,
        memory_mib=990,
    ),
)
IMAGE_SIZES_PX = tuple(sorted({rule.image_size for rule in RULES}))


def choose(found: Found, devices: Devices, *, hours: float, image_size: int | None = None) -> Rule:
    """Chooses the first row of the table whose conditions hold.

    Args:
      found: content of the folder.
      devices: devices of the machine.
      hours: hours of training.
      image_size: side of the generated pictures in px, whatever the conditions say; None: chosen.

    Raises:
      UsageError: the folder has too few pictures.
    """
    if found.pictures < FEWEST_PICTURES:
        needed = f"must hold at least {FEWEST_PICTURES} images with captions"
        raise UsageError("--input_dir", needed, found.pictures)
    grey = found.grey and found.words <= FEW_WORDS
    sizes = [rule for rule in RULES if image_size in (None, rule.image_size)]
    for rule in sizes:
        if rule.grey and not grey:
            continue
        if image_size is not None or _fits(rule, found, devices, hours=hours):
            return rule
    return sizes[-1]


def row(recipe: str, image_size: int) -> Rule:
    """Returns the row of a recipe and a size.

    Raises:
      UsageError: the table has no such row.
    """
    for rule in RULES:
        if (rule.recipe, rule.image_size) == (recipe, image_size):
            return rule
    needed = "must hold a choice of the table of this version in start.json"
    raise UsageError("--output_dir", needed, f"{recipe} at {image_size} px")


def images_per_second(rule: Rule, devices: Devices) -> float:
    """Estimates the rate of training from the table."""
    if devices.gpus:
        per_gpu = rule.batch_size / devices.gpus
        seconds = GPU_STEP_SECONDS + per_gpu * rule.gflop_per_image / GPU_GFLOP_PER_SECOND
        return rule.batch_size / seconds
    return rule.images_per_second * devices.cores / TABLE_CORES


def origin(rule: Rule, devices: Devices) -> str:
    """Describes how the rate of the table is known."""
    if devices.gpus or not rule.measured:
        return "estimated"
    return f"measured on {TABLE_CORES} cores"


def shortage(pictures: int, *, images_shown: float, hours: float) -> list[str]:
    """Returns a sentence if training is too short, else nothing.

    Args:
      pictures: number of pictures.
      images_shown: images that training shows to the model, each pass counted.
      hours: hours of training.
    """
    needed = max(FEWEST_IMAGES_SHOWN, FEWEST_PASSES * pictures)
    if images_shown >= needed:
        return []
    return [
        f"training shows each picture {images_shown / pictures:.1f} times, about "
        f"{images_shown:,.0f} images; good pictures need {needed:,} or more: "
        f"--hours={hours * needed / images_shown:.2g}"
    ]


def cautions(rule: Rule, found: Found, devices: Devices) -> list[str]:
    """Lists what is likely to make the result poor, one sentence each.

    Args:
      rule: the chosen row.
      found: content of the folder.
      devices: devices of the machine.
    """
    lines = []
    if found.pictures < MANY_PICTURES:
        lines.append(
            f"{found.pictures} pictures are few: the model repeats them and hardly combines "
            f"captions; {MANY_PICTURES} or more are better"
        )
    if found.side_px < rule.image_size:
        lines.append(f"the sides of {found.side_px} px are enlarged to {rule.image_size} px")
    if not devices.gpus and rule.memory_mib > devices.memory_mib:
        lines.append(
            f"training needs about {rule.memory_mib:,} MiB of memory, and the machine has "
            f"{devices.memory_mib:,} MiB"
        )
    return lines


def _fits(rule: Rule, found: Found, devices: Devices, *, hours: float) -> bool:
    if found.side_px < rule.from_side_px or found.pictures < rule.from_pictures:
        return False
    if devices.gpus:
        return hours * devices.gpus >= rule.from_gpu_hours
    return rule.from_core_hours is not None and hours * devices.cores >= rule.from_core_hours
