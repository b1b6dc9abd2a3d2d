"""Loads and unloads model versions, and finds the version for a request.

A new version is loaded while the old one still serves, then replaces the old one at once. The old
version is unloaded when its last request has ended. A failed load does not affect serving versions.
"""

import dataclasses
import math
import threading
import time
from collections.abc import Callable, Sequence
from concurrent import futures

import grpc
import tensorflow as tf
from absl import logging
from tensorflow_serving.apis import model_pb2

from serving.server.execution.servable import Servable
from serving.server.lifecycle import trim_memory
from serving.server.lifecycle.model_config import ModelConfig, list_versions
from serving.server.lifecycle.versions import Lease, State, Version, VersionStatus
from serving.server.status import StatusError, from_exception, invalid_argument

LAST_REQUESTS_SECONDS = 30.0


@dataclasses.dataclass(frozen=True)
class ManagerOptions:
    """The options that control how a manager finds and loads versions.

    Attributes:
      poll_wait_seconds: seconds between two reads of the base paths; 0: read once, below 0: never.
      load_threads: versions to load at the same time.
      max_load_retries: retries after the first failure.
      load_retry_seconds: seconds from a failure to the next attempt.
      labels_for_unavailable: accepts a new label for a version that is not loaded.
    """

    poll_wait_seconds: float = 1.0
    load_threads: int = 1
    max_load_retries: int = 5
    load_retry_seconds: float = 60.0
    labels_for_unavailable: bool = False


class Manager:
    """Holds the models and their versions; call `close`, or use it as a context manager."""

    def __init__(
        self,
        load: Callable[[str, int, str], Servable],
        options: ManagerOptions = ManagerOptions(),
    ) -> None:
        """Creates a manager without models, and starts its thread.

        Args:
          load: loads a version, given the model's name, the version number and the folder.
          options: control how versions are found and loaded.
        """
        self._load, self._options = load, options
        self._models: dict[str, ModelConfig] = {}
        self._versions: dict[str, dict[int, Version]] = {}
        self._closing = False
        self._next_poll = math.inf
        self._changed = threading.Condition()
        self._poll_lock = threading.Lock()
        self._loaders = futures.ThreadPoolExecutor(options.load_threads, "load")
        self._thread = threading.Thread(target=self._manage, name="manager", daemon=True)
        self._thread.start()

    def __enter__(self) -> "Manager":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Stops polling and loading, and unloads all versions when no request uses them.

        A `configure` that still waits raises StatusError. If requests do not end within 30 s, no
        version is unloaded.
        """
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join()
        self._loaders.shutdown(cancel_futures=True)
        with self._changed:
            loaded = [version for version in self._all_versions() if version.servable is not None]
            self._versions.clear()
            free = self._changed.wait_for(
                lambda: not any(version.leases for version in loaded), LAST_REQUESTS_SECONDS
            )
        for version in loaded if free else []:
            if version.servable is not None:
                version.servable.close()

    def configure(self, models: Sequence[ModelConfig], *, unit: str = "servable") -> None:
        """Serves exactly these models; returns when the new ones are available.

        Args:
          models: models with different names.
          unit: word in error messages; TensorFlow Serving uses "servable" at the start and "model"
            later.

        Raises:
          StatusError: a label names a version that is not loaded, a new model cannot be loaded, or
            the manager was closed.
        """
        with self._changed:
            for model in models:
                self._check_labels(model)
            new = [model for model in models if model.name not in self._models]
            self._models = {model.name: model for model in models}
        self._poll()
        with self._changed:
            self._changed.wait_for(lambda: self._closing or all(map(self._settled, new)))
            if self._closing:
                raise StatusError(grpc.StatusCode.CANCELLED, "the server is stopping")
            failed = [version for model in new for version in self._failed(model)]
        if failed:
            listed = "".join(
                f"{{{version} due to error: {version.error.full_text if version.error else ''}}}, "
                for version in failed
            )
            text = f"{len(failed)} {unit}(s) did not become available: {{{listed}}}"
            raise StatusError(grpc.StatusCode.UNKNOWN, text)

    def acquire(self, spec: model_pb2.ModelSpec) -> Lease:
        """Leases the version that a request names, or the newest available version.

        Raises:
          StatusError: no such version is available.
        """
        with self._changed:
            version = self._find(spec)
            version.leases += 1
            assert version.servable is not None
            return Lease(version.servable, lambda: self._release(version))

    def _release(self, version: Version) -> None:
        with self._changed:
            version.leases -= 1
            if version.state == State.UNLOADING or self._closing:
                self._changed.notify_all()

    def statuses(self, name: str) -> list[VersionStatus]:
        """The status of every version of a model ever found, the newest first."""
        with self._changed:
            versions = sorted(self._versions.get(name, {}).items(), reverse=True)
            return [VersionStatus(number, one.state, one.error) for number, one in versions]

    def knows(self, name: str) -> bool:
        """Returns whether a model with this name is configured, loaded or not."""
        with self._changed:
            return name in self._models

    def _find(self, spec: model_pb2.ModelSpec) -> Version:
        number, versions = self._number(spec), self._versions.get(spec.name, {})
        query = f"Latest({spec.name})" if number is None else f"Specific({spec.name}, {number})"
        if number is None:
            available = (each for each, one in versions.items() if one.state == State.AVAILABLE)
            number = max(available, default=None)
        version = None if number is None else versions.get(number)
        if version is None or version.state != State.AVAILABLE:
            text = f"Servable not found for request: {query}"
            raise StatusError(grpc.StatusCode.NOT_FOUND, text)
        return version

    def _number(self, spec: model_pb2.ModelSpec) -> int | None:
        choice = spec.WhichOneof("version_choice")
        if choice != "version_label":
            return spec.version.value if choice == "version" else None
        model = self._models.get(spec.name)
        if model is None or spec.version_label not in model.labels:
            raise invalid_argument(f"Unrecognized servable version label: {spec.version_label}")
        return model.labels[spec.version_label]

    def _check_labels(self, model: ModelConfig) -> None:
        known = self._models[model.name].labels if model.name in self._models else {}
        for label, number in model.labels.items():
            version = self._versions.get(model.name, {}).get(number)
            if version is not None and version.state == State.AVAILABLE:
                continue
            moved = known.get(label, number) != number
            if moved or not self._options.labels_for_unavailable:
                text = (
                    f"Request to assign label to version {number} of model {model.name}, "
                    "which is not currently available for inference"
                )
                raise StatusError(grpc.StatusCode.FAILED_PRECONDITION, text)

    def _all_versions(self) -> list[Version]:
        return [one for versions in self._versions.values() for one in versions.values()]

    def _desired(self, name: str) -> list[Version]:
        return [version for version in self._versions.get(name, {}).values() if version.desired]

    def _settled(self, model: ModelConfig) -> bool:
        states = {version.state for version in self._desired(model.name)}
        # Do not wait for a model that a later `configure` has removed.
        return model.name not in self._models or (
            bool(states) and states <= {State.AVAILABLE, State.END}
        )

    def _failed(self, model: ModelConfig) -> list[Version]:
        desired = self._desired(model.name)
        failed = [version for version in desired if version.state == State.END]
        return failed if model.policy.specific or len(failed) == len(desired) else []

    def _poll(self) -> None:
        """Reads all base paths; if one cannot be read, no model changes."""
        with self._poll_lock:
            with self._changed:
                models = list(self._models.values())
                wait = self._options.poll_wait_seconds
                self._next_poll = time.monotonic() + wait if wait > 0 else math.inf
                self._changed.notify_all()
            if wait < 0:
                return
            try:
                found = {model.name: list_versions(model.base_path) for model in models}
            except (tf.errors.OpError, UnicodeDecodeError) as error:
                logging.error(
                    "FileSystemStoragePathSource encountered a filesystem access error: "
                    "Could not find base path: %s",
                    error,
                )
                return
            with self._changed:
                for model in models:
                    self._choose_desired(model, found[model.name])
                for name in self._versions.keys() - found.keys():
                    for version in self._versions[name].values():
                        version.desired = False
                self._changed.notify_all()

    def _choose_desired(self, model: ModelConfig, paths: dict[int, str]) -> None:
        if not paths:
            logging.warning(
                "No versions of servable %s found under base path %s. Did you forget to name your "
                "leaf directory as a number (eg. '/1/')?",
                model.name,
                model.base_path,
            )
        for number in sorted(set(model.policy.specific) - paths.keys()):
            logging.warning(
                "Version %d of servable %s, which was requested to be served as a 'specific' "
                "version in the servable's version policy, was not found in the file system",
                number,
                model.name,
            )
        chosen = model.policy.choose(paths)
        versions = self._versions.setdefault(model.name, {})
        for number in chosen:
            known = versions.get(number)
            ended = known is not None and known.state == State.END
            # Do not retry a failed version until it has disappeared from disk or from the policy.
            if known is None or (ended and not (known.desired and known.error)):
                versions[number] = Version(model.name, number, paths[number])
        for version in versions.values():
            version.desired = version.number in chosen

    def _manage(self) -> None:
        while True:
            if time.monotonic() >= self._next_poll:
                self._poll()
            with self._changed:
                if self._closing:
                    return
                drained = self._start_changes()
                if not drained:
                    self._changed.wait(self._idle_seconds())
            for version in drained:
                self._unload(version)

    def _idle_seconds(self) -> float | None:
        due = min([self._next_poll, *(version.retry_at for version in self._all_versions())])
        return None if due == math.inf else max(0.0, due - time.monotonic())

    def _start_changes(self) -> list[Version]:
        """Starts the pending loads, and returns the versions that can be unloaded now."""
        drained = []
        for versions in self._versions.values():
            desired = [version for version in versions.values() if version.desired]
            # Unload an old version only when a desired version is available.
            has_replacement = not desired or any(one.state == State.AVAILABLE for one in desired)
            for version in sorted(versions.values(), key=lambda one: -one.number):
                # Cancel a load that is no longer desired; start a due load; else begin to unload.
                waits = version.state == State.START or version.retry_at < math.inf
                if waits and not version.desired:
                    version.state, version.retry_at = State.END, math.inf
                elif version.state == State.START or version.retry_at <= time.monotonic():
                    version.state, version.retry_at = State.LOADING, math.inf
                    self._loaders.submit(self._load_version, version)
                elif version.state == State.AVAILABLE and not version.desired and has_replacement:
                    version.state = State.UNLOADING
                if version.state == State.UNLOADING and not version.leases:
                    drained.append(version)
        return drained

    def _load_version(self, version: Version) -> None:
        try:
            servable = self._load(version.model, version.number, version.path)
        except Exception as error:  # Any failure: the other versions keep serving.
            self._fail(version, from_exception(error))
            return
        with self._changed:
            version.servable, version.error, version.state = servable, None, State.AVAILABLE
            logging.info("Successfully loaded servable version %s", version)
            self._changed.notify_all()

    def _fail(self, version: Version, error: StatusError) -> None:
        logging.error("Loading servable: %s failed: %s", version, error.full_text)
        trim_memory.trim()
        with self._changed:
            version.error = error
            version.failures += 1
            if version.failures <= self._options.max_load_retries:
                logging.info(
                    "Retrying of Loading servable: %s retry: %d", version, version.failures
                )
                version.retry_at = time.monotonic() + self._options.load_retry_seconds
            else:
                retries = self._options.max_load_retries
                logging.error(
                    "Loading servable: %s exhausted max_num_retries: %d", version, retries
                )
                version.state = State.END
            self._changed.notify_all()

    def _unload(self, version: Version) -> None:
        servable = version.servable
        assert servable is not None
        servable.close()
        del servable
        with self._changed:
            version.servable, version.state = None, State.END
            self._changed.notify_all()
        trim_memory.trim()
        logging.info("Done unloading servable version %s", version)
