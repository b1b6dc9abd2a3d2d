"""The models to serve, and the policy that chooses their versions."""

import dataclasses
import re
from collections.abc import Collection, Mapping

from tensorflow_serving.config import model_server_config_pb2

from serving.server.status import invalid_argument

PLATFORM = "tensorflow"
_ABSOLUTE_OR_URI = re.compile(r"/|[A-Za-z][A-Za-z0-9+.-]*://")


@dataclasses.dataclass(frozen=True)
class Policy:
    """The version policy: serves the newest versions on disk, named versions, or all.

    Attributes:
      newest: how many of the highest version numbers to serve; None for all.
      specific: the only version numbers to serve; empty for no restriction.
    """

    newest: int | None = 1
    specific: tuple[int, ...] = ()

    def choose(self, versions: Collection[int]) -> list[int]:
        """The versions to serve, the highest first."""
        ordered = sorted(versions, reverse=True)
        if self.specific:
            return [version for version in ordered if version in self.specific]
        return ordered if self.newest is None else ordered[: self.newest]


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """A model to serve.

    Attributes:
      name: name of the model in requests.
      base_path: folder that holds one folder per version; an absolute path or a URI.
      policy: chooses the versions to serve.
      labels: version numbers by label.
    """

    name: str
    base_path: str
    policy: Policy = Policy()
    labels: Mapping[str, int] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        if not _ABSOLUTE_OR_URI.match(self.base_path):
            raise invalid_argument(
                f"Expected model {self.name} to have an absolute path or URI; "
                f"got base_path()={self.base_path}"
            )


def from_proto(config: model_server_config_pb2.ModelServerConfig) -> list[ModelConfig]:
    """Reads the list of models.

    Raises:
      StatusError: the config breaks a rule; the message is TensorFlow Serving's.
    """
    if config.WhichOneof("config") == "custom_model_config":
        raise invalid_argument("custom_model_config is not supported, only model_config_list is")
    models: dict[str, ModelConfig] = {}
    for model in config.model_config_list.config:
        if model.name in models:
            raise invalid_argument(
                f"Illegal to list model {model.name} multiple times in config list"
            )
        if not model.model_platform and not model.model_type:
            raise invalid_argument(
                "Illegal setting neither ModelServerConfig::model_type (deprecated) nor "
                f"ModelServerConfig::model_platform, model name is {model.name}"
            )
        if model.model_platform not in ("", PLATFORM):
            raise invalid_argument(
                f"model_platform of model {model.name} must be {PLATFORM}, "
                f"got {model.model_platform}"
            )
        models[model.name] = ModelConfig(
            name=model.name,
            base_path=model.base_path,
            policy=_policy(model),
            labels=dict(model.version_labels),
        )
    return list(models.values())


def _policy(model: model_server_config_pb2.ModelConfig) -> Policy:
    policy = model.model_version_policy
    choice = policy.WhichOneof("policy_choice")
    if choice == "all":
        return Policy(newest=None)
    if choice == "specific":
        if not policy.specific.versions:
            raise invalid_argument(f"specific versions of model {model.name} must be named")
        return Policy(specific=tuple(policy.specific.versions))
    return Policy(newest=policy.latest.num_versions or 1)
