"""Imports DF-GAN's published weights, of 2022 and 2020, with the state of their optimizers.

The layouts follow the published code; they are not tested on the authors' files.
"""

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import tf_keras as keras

from tfgan2.adversarial.updates import Update
from tfgan2.interop.weight_mapping import (
    Target,
    check_values,
    convolution,
    described,
    expect,
    fill,
    linear,
    scalar,
    under,
    weights_of,
)
from tfgan2.models.df_gan.model import DFGAN
from tfgan2.models.df_gan.networks import (
    Affine,
    DownBlock,
    Generator,
    ImageFeatures,
    UpBlock,
)
from tfgan2.models.layers.blocks import FIRST_SIDE_PX
from tfgan2.models.layers.heads import JointHead
from tfgan2.program import UsageError

State = dict[str, np.ndarray]
HEAD_PREFIX = "COND_DNET."
NETWORKS = ("netG", "netD", "netC")
# Names of an EMA of netG, beside or inside the entry `model`.
AVERAGES = ("netG_ema", "ema", "model_ema")
OPTIMIZERS = ("optimizer_G", "optimizer_D")
# Settings of a published optimizer, for which the recipe has its own.
SETTINGS = ("lr", "betas", "eps", "weight_decay", "amsgrad")
MOMENTS = ("exp_avg", "exp_avg_sq")
MOST_STEPS = 2**40


@dataclasses.dataclass(frozen=True)
class Published:
    """Content of a user's files: state dicts without prefix, and optimizer states if present.

    Attributes:
      form: version of the published code, `2022` or `2020`.
      generator: state dict of netG.
      image_features: state dict of netD; empty if absent.
      head: state dict of netC, or of COND_DNET in the form of 2020; empty if absent.
      generator_optimizer: Adam's state dict; None if absent.
      discriminator_optimizer: Adam's state dict over netD, then netC; None if absent.
      average: state dict of the EMA of netG, for sampling; empty if absent or not wanted.
      unused: names of the entries of the files that have no use here.
    """

    form: str
    generator: State
    image_features: State
    head: State
    generator_optimizer: Mapping[str, Any] | None = None
    discriminator_optimizer: Mapping[str, Any] | None = None
    average: State = dataclasses.field(default_factory=dict)
    unused: tuple[str, ...] = ()


def published(
    generator: Any, discriminator: Any | None, *, file: str, weights: str | None = None
) -> Published:
    """Sorts the content of the files by network.

    Args:
      generator: content of `state_epoch_NNN.pth` (2022) or `netG_NNN.pth` (2020).
      discriminator: content of `netD_NNN.pth` (2020), or None.
      file: name of the generator's file, for error messages.
      weights: generator weights that sampling uses: `ema`, `live`, or None: the EMA if there is
        one.

    Raises:
      UsageError: the content is not a checkpoint of DF-GAN, or has no EMA.
    """
    if not isinstance(generator, dict) or not generator:
        raise UsageError(file, "must hold a checkpoint of DF-GAN", type(generator).__name__)
    if "model" in generator and discriminator is not None:
        raise UsageError("--discriminator", f"must be left out, for {file} holds one", "a file")
    checkpoint = generator
    if "model" not in generator:
        given = {} if discriminator is None else discriminator
        checkpoint = {"model": {"netG": generator, "netD": given}}
    networks, optimizers = checkpoint["model"], checkpoint.get("optimizers")
    optimizers = {} if optimizers is None else optimizers
    if not isinstance(networks, dict) or "netG" not in networks:
        raise UsageError(file, "must hold netG, as a state dict", described(networks))
    if not isinstance(optimizers, dict):
        raise UsageError(file, "must hold optimizers by name", described(optimizers))
    unknown = [str(name) for name in networks if name not in (*NETWORKS, *AVERAGES)]
    if unknown:
        raise UsageError(
            file, f"must hold {', '.join(NETWORKS)} alone", f"{', '.join(unknown):.99}"
        )
    states = {name: weights_of(networks[name], name=name) for name in NETWORKS if name in networks}
    average = {} if weights == "live" else _average(checkpoint)
    if weights == "ema" and not average:
        raise UsageError("--weights", f"must be live, for {file} holds no EMA", weights)
    used = {"model", "optimizers", *NETWORKS, *OPTIMIZERS, *(AVERAGES if average else ())}
    entries = [str(name) for name in (*checkpoint, *networks, *optimizers) if name not in used]
    # The form of 2020 keeps the head inside netD, under COND_DNET.
    features, head = states.get("netD", {}), states.get("netC", {})
    early = any(key.startswith("block0.") for key in states["netG"])
    if early:
        head = {key: tensor for key, tensor in features.items() if key.startswith(HEAD_PREFIX)}
        features = {key: tensor for key, tensor in features.items() if key not in head}
    return Published(
        form="2020" if early else "2022",
        generator=states["netG"],
        image_features=features,
        head=head,
        generator_optimizer=optimizers.get("optimizer_G"),
        discriminator_optimizer=optimizers.get("optimizer_D"),
        average=average,
        unused=(*entries, *_settings(optimizers)),
    )


def _average(checkpoint: Mapping[str, Any]) -> State:
    """Returns the EMA of netG in a checkpoint; empty if absent."""
    for holder in (checkpoint, checkpoint["model"]):
        for content in (holder[name] for name in AVERAGES if name in holder):
            has_networks = isinstance(content, dict) and "netG" in content
            return weights_of(content["netG"] if has_networks else content, name="the EMA of netG")
    return {}


def _settings(optimizers: Mapping[str, Any]) -> list[str]:
    """Names of the settings that published optimizers have."""
    found: set[Any] = set()
    for state in (optimizers.get(name) for name in OPTIMIZERS):
        groups = state.get("param_groups") if isinstance(state, dict) else None
        for group in groups if isinstance(groups, list) else ():
            found.update(group if isinstance(group, dict) else ())
    return [name for name in SETTINGS if name in found]


def sizes(files: Published) -> dict[str, Any]:
    """Reads the recipe fields that follow from the shapes of the tensors.

    Raises:
      UsageError: a tensor that defines a size is missing.
    """
    state, early = files.generator, files.form == "2020"
    to_image = "conv_img.1.weight" if early else "to_rgb.1.weight"
    block = "block0.affine0" if early else "GBlocks.0.fuse1.affine0"
    condition = f"{block}.fc_gamma.linear1.weight"
    expect(state, {"fc.weight": 2, to_image: 4, condition: 2}, name="netG")
    pattern = r"block(\d+)\." if early else r"GBlocks\.(\d+)\."
    blocks = {int(match[1]) for key in state if (match := re.match(pattern, key))}
    latent_size = state["fc.weight"].shape[-1]
    condition_size = state[condition].shape[-1]
    fields = {
        "model": "df_gan",
        "discriminator_head": "joint",
        "image_size": FIRST_SIDE_PX * 2 ** (len(blocks) - early),
        "latent_size": latent_size,
        "sentence_size": condition_size if early else condition_size - latent_size,
        "generator_form": files.form,
        "generator_channels": state[to_image].shape[1],
        "discriminator_form": files.form,
        "ma_gp_weight": 2.0,
        "ma_gp_update": "separate" if early else "joint",
    }
    if files.image_features:
        expect(files.image_features, {"conv_img.weight": 4}, name="netD")
        fields["discriminator_channels"] = files.image_features["conv_img.weight"].shape[0]
    return fields


def image_channels(files: Published) -> int:
    """Returns the number of image channels of the generator."""
    early = files.form == "2020"
    return files.generator["conv_img.1.weight" if early else "to_rgb.1.weight"].shape[0]


def load_weights(gan: DFGAN, files: Published) -> list[str]:
    """Loads the published weights into a model, and optimizer states if present.

    Args:
      gan: compiled model with the sizes that `sizes` returns.
      files: content of the files; sampling uses their EMA if there is one.

    Returns:
      Names of the parts that are not in the files, and have new weights.

    Raises:
      UsageError: keys are missing, superfluous or of a wrong shape.
    """
    early = files.form == "2020"
    mappings = {
        "netG": generator_mapping(gan.generator, early=early),
        "netD": image_features_mapping(gan.image_features, early=early),
        "netC": head_mapping(gan.head, prefix=HEAD_PREFIX if early else ""),
    }
    fill(mappings["netG"], files.generator, name="netG")
    new_parts = []
    has_discriminator = bool(files.image_features or files.head)
    if has_discriminator:
        fill(mappings["netD"], files.image_features, name="netD")
        fill(mappings["netC"], files.head, name="netC")
    else:
        new_parts.append("the discriminator")
    states = {"netG": files.generator, "netD": files.image_features, "netC": files.head}
    updates = {it.name: it for it in gan.updates}
    for update, networks, optimizer in (
        ("discriminator", ("netD", "netC"), files.discriminator_optimizer),
        ("generator", ("netG",), files.generator_optimizer),
    ):
        if optimizer is None or (update == "discriminator" and not has_discriminator):
            new_parts.append(f"the {update}'s optimizer")
        else:
            # A state dict without buffers has the parameters in the order of the optimizer.
            order = {key: mappings[name][key] for name in networks for key in states[name]}
            gan.step.assign(_load_adam(updates[update], order, optimizer, name=update))
    gan.initialize_ema()
    if files.average:
        mapping = generator_mapping(gan.average_generator, early=early)
        fill(mapping, files.average, name="the EMA of netG")
    return new_parts


def generator_mapping(generator: Generator, *, early: bool) -> dict[str, Target]:
    """Maps netG's tensors to variables."""
    name = "block{}" if early else "GBlocks.{}"
    mapping = _first_mapping(generator)
    for number, block in enumerate(generator.blocks):
        mapping |= under(name.format(number), _up_block_mapping(block, early=early))
    to_image = convolution("conv_img.1" if early else "to_rgb.1", generator.to_image)
    return mapping | to_image


def image_features_mapping(network: ImageFeatures, *, early: bool) -> dict[str, Target]:
    """Maps netD's tensors to variables, without COND_DNET of the form of 2020."""
    name = "block{}" if early else "DBlocks.{}"
    mapping = convolution("conv_img", network.first)
    for number, block in enumerate(network.blocks):
        mapping |= under(name.format(number), _down_block_mapping(block))
    return mapping


def head_mapping(head: JointHead, *, prefix: str) -> dict[str, Target]:
    """Maps netC's tensors to variables."""
    return convolution(f"{prefix}joint_conv.0", head.joint) | convolution(
        f"{prefix}joint_conv.2", head.logit
    )


def _first_mapping(generator: Generator) -> dict[str, Target]:
    """Maps the first dense layer, whose units are channels-first in PyTorch."""
    side, _, channels = generator.first_shape

    def channels_last(tensor: np.ndarray) -> np.ndarray:
        by_position = tensor.reshape(channels, side, side, *tensor.shape[1:])
        return np.moveaxis(by_position, 0, 2).reshape(tensor.shape)

    mapping = linear("fc", generator.first)
    converters = {"fc.weight": lambda tensor: channels_last(tensor).T, "fc.bias": channels_last}
    return {key: dataclasses.replace(it, convert=converters[key]) for key, it in mapping.items()}


def _up_block_mapping(block: UpBlock, *, early: bool) -> dict[str, Target]:
    mapping: dict[str, Target] = {}
    for number, conv in enumerate(block.convolutions, start=1):
        mapping |= convolution(f"c{number}", conv)
    affines = [affine for fusion in block.fusions for affine in fusion.affines]
    for number, affine in enumerate(affines):
        of_fusion = f"fuse{1 + number // 2}.affine{number % 2}"
        mapping |= under(f"affine{number}" if early else of_fusion, _affine_mapping(affine))
    if block.gate is not None:
        mapping |= scalar("gamma", block.gate)
    if block.shortcut is not None:
        mapping |= convolution("c_sc", block.shortcut)
    return mapping


def _affine_mapping(affine: Affine) -> dict[str, Target]:
    return {
        **linear("fc_gamma.linear1", affine.scale_hidden),
        **linear("fc_gamma.linear2", affine.scale),
        **linear("fc_beta.linear1", affine.shift_hidden),
        **linear("fc_beta.linear2", affine.shift),
    }


def _down_block_mapping(block: DownBlock) -> dict[str, Target]:
    shortcut = convolution("conv_s", block.shortcut)
    return {
        **scalar("gamma", block.gate),
        **convolution("conv_r.0", block.convolutions[0]),
        **convolution("conv_r.2", block.convolutions[1]),
        **{
            key: dataclasses.replace(target, optional=not block.changes)
            for key, target in shortcut.items()
        },
    }


def _load_adam(
    update: Update, order: Mapping[str, Target], state: Mapping[str, Any], *, name: str
) -> int:
    """Loads the moments of a published Adam into an optimizer, and returns its step number.

    Raises:
      UsageError: the state belongs to other parameters, or holds integers, NaN or infinities.
    """
    subject = f"the {name}'s optimizer"
    try:
        numbers = [number for group in state["param_groups"] for number in group["params"]]
        saved = [state["state"].get(number, {}) for number in numbers]
        steps = max((int(moments["step"]) for moments in saved if moments), default=0)
        if not 0 <= steps < MOST_STEPS:
            raise ValueError(f"step {steps}")
        matched = list(zip(order.items(), saved, strict=True))
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        rule = "must be Adam's, of as many parameters as the networks have"
        raise UsageError(subject, rule, f"{error!r:.100}") from error
    optimizer = _inner(update.optimizer)
    # Keras creates both moments of a variable before those of the next one.
    made = optimizer.variables[-2 * len(update.variables) :]
    slots = {
        variable.ref(): dict(zip(MOMENTS, pair, strict=True))
        for variable, *pair in zip(update.variables, made[::2], made[1::2], strict=True)
    }
    for (parameter, target), moments in matched:
        # A parameter without gradient has no moments; a variable that is not trained has no slots.
        for key, slot in slots.get(target.variable.ref(), {}).items() if moments else ():
            shape = getattr(moments.get(key), "shape", None)
            if shape != target.shape:
                rule = f"must have {key} of the shape {target.shape} for {parameter}"
                raise UsageError(subject, rule, shape)
            check_values({f"{key} of {parameter}": moments[key]}, name=subject)
            slot.assign(target.convert(moments[key]))
    optimizer.iterations.assign(steps)
    return steps


def _inner(optimizer: keras.optimizers.Optimizer) -> keras.optimizers.Optimizer:
    """Returns the optimizer inside a loss-scaling optimizer, or the optimizer itself."""
    return getattr(optimizer, "inner_optimizer", optimizer)
