"""Reads the base paths of models: the versions on disk, and the problems of a path."""

import os
import re
from collections.abc import Sequence

import grpc
import tensorflow as tf
from absl import logging

from serving.server.lifecycle.model_config import ModelConfig
from serving.server.status import StatusError, from_exception

_MOST_INT64 = 2**63 - 1
_VERSION = re.compile("[0-9]+")


class BasePaths:
    """Finds the versions of models; logs a problem of a model when it begins or changes."""

    def __init__(self) -> None:
        """Knows no model."""
        self._errors: dict[str, StatusError] = {}
        self._problems: dict[str, list[str]] = {}

    def read(self, models: Sequence[ModelConfig]) -> dict[str, dict[int, str]]:
        """The versions on disk, by model name: paths by version number.

        A model is left out if its base path cannot be read.
        """
        found: dict[str, dict[int, str]] = {}
        errors: dict[str, StatusError] = {}
        problems: dict[str, list[str]] = {}
        for model in models:
            try:
                versions = list_versions(model.base_path)
            except StatusError as error:
                errors[model.name], problems[model.name] = error, [_unreadable(model, error)]
            else:
                found[model.name], problems[model.name] = versions, _missing(model, versions)
            for text in problems[model.name]:
                if text not in self._problems.get(model.name, []):
                    logging.warning("%s", text)
        self._errors, self._problems = errors, problems
        return found

    def error(self, name: str) -> StatusError | None:
        """The error of the last read of a model's base path; None if the read succeeded."""
        return self._errors.get(name)

    def problems(self, name: str) -> list[str]:
        """The problems that the last read of a model's base path found."""
        return self._problems.get(name, [])


def _unreadable(model: ModelConfig, error: StatusError) -> str:
    verb = "find" if error.code == grpc.StatusCode.NOT_FOUND else "read"
    return (
        f"Could not {verb} base path {model.base_path} for servable {model.name} with error "
        f"{error.full_text}"
    )


def _missing(model: ModelConfig, versions: dict[int, str]) -> list[str]:
    problems = [
        f"Version {number} of servable {model.name}, which was requested to be served as a "
        "'specific' version in the servable's version policy, was not found in the file system"
        for number in sorted(set(model.policy.specific) - versions.keys())
    ]
    if not versions:
        problems.append(
            f"No versions of servable {model.name} found under base path {model.base_path}. "
            "Did you forget to name your leaf directory as a number (eg. '/1/')?"
        )
    return problems


def list_versions(base_path: str) -> dict[int, str]:
    """The versions on disk: paths by version number.

    Raises:
      StatusError: the base path cannot be read; UNIMPLEMENTED if its scheme is unknown.
    """
    versions: dict[int, str] = {}
    try:
        for child in _names(base_path):
            name = child.rstrip("/")
            # If two names mean one number, such as 1 and 01, the shortest name wins.
            if _VERSION.fullmatch(name) and int(name) <= _MOST_INT64:
                path = tf.io.gfile.join(base_path, name)
                known = versions.get(int(name), path)
                versions[int(name)] = min(known, path, key=len)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise StatusError(grpc.StatusCode.NOT_FOUND, _text(error)) from error
    except PermissionError as error:
        raise StatusError(grpc.StatusCode.PERMISSION_DENIED, _text(error)) from error
    except (OSError, ValueError, tf.errors.OpError) as error:
        raise from_exception(error) from error
    return versions


def _names(base_path: str) -> list[str]:
    # Python lists local folders: TensorFlow's list fails if one name is not UTF-8.
    scheme, _, path = base_path.partition("://")
    if base_path.startswith("/"):
        return os.listdir(base_path)
    if scheme == "file":
        return os.listdir(path)
    if scheme not in tf.io.gfile.get_registered_schemes():
        text = f"File system scheme '{scheme}' not implemented (file: '{base_path}')"
        raise StatusError(grpc.StatusCode.UNIMPLEMENTED, text)
    try:
        return tf.io.gfile.listdir(base_path)
    except tf.errors.NotFoundError:
        tf.io.gfile.stat(base_path)  # Raises the reason why the folder cannot be listed.
        raise


def _text(error: OSError) -> str:
    return f"{error.strerror}: {error.filename}"
