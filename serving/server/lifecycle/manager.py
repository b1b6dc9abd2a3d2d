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
from absl import logging
from tensorflow_serving.apis import model_pb2

from serving.server.execution.servable import Servable
from serving.server.lifecycle import trim_memory
from serving.server.lifecycle.base_paths import BasePaths
from serving.server.lifecycle.model_config import ModelConfig
from serving.server.lifecycle.versions import Lease, State, Version, VersionStatus
from serving.server.lifecycle.waits import Wait
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
        # Configurations are numbered; a wait ends only after the paths of its own have been read.
        self._configuration = self._read_configuration = 0
        self._base_paths = BasePaths()
        self._waits: list[Wait] = []
        self._changed = threading.Condition()
        self._loaders = futures.ThreadPoolExecutor(options.load_threads, "load")
        self._thread = threading.Thread(target=self._manage, name="manager", daemon=True)
        self._thread.start()

    def __enter__(self) -> "Manager":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Stops polling and loading, and unloads all versions when no request uses them.

        The futures of `configure` that still wait fail with a StatusError. If requests do not end
        within 30 s, no version is unloaded.
        """
        with self._changed:
            self._closing = True
            self.end_waits()
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

    def configure(
        self,
        models: Sequence[ModelConfig],
        *,
        starting: bool = False,
        seconds: float = math.inf,
    ) -> "futures.Future[None]":
        """Serves exactly these models; returns at once.

        Args:
          models: models with different names.
          starting: the server starts: if a newer configuration comes, the future waits for the
            models of that one instead. Error messages say "servable" instead of "model".
          seconds: seconds until the future fails with DEADLINE_EXCEEDED.

        Returns:
          A future that completes when the new models are available. It fails with a StatusError if
          a model cannot be loaded, a newer configuration comes first, the time is over, or
          `end_waits` is called. Cancelling it ends the wait and changes nothing else.

        Raises:
          StatusError: a label names a version that is not loaded, or the manager is closed.
        """
        with self._changed:
            if self._closing:
                raise _stopping()
            for model in models:
                self._check_labels(model)
            names = tuple(model.name for model in models if self._is_new(model))
            earlier, self._models = self._models, {model.name: model for model in models}
            self._configuration += 1
            if self._models != earlier:
                self._replace_waits(names)
            wait = Wait(names, self._configuration, starting, time.monotonic() + seconds)
            self._waits.append(wait)
            self._next_poll = -math.inf
            self._changed.notify_all()
            return wait.future

    def end_waits(self) -> None:
        """Ends every wait for models with UNAVAILABLE: the server stops."""
        with self._changed:
            for wait in self._waits:
                wait.end(_stopping())
            self._waits.clear()

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

    def _is_new(self, model: ModelConfig) -> bool:
        """Returns whether a model has no available version, and has not failed where it is."""
        known = self._models.get(model.name)
        moved = known is not None and known.base_path != model.base_path
        versions = self._versions.get(model.name, {}).values()
        if any(version.state == State.AVAILABLE for version in versions):
            return False
        return moved or {one.state for one in versions if one.desired} != {State.END}

    def _settled(self, name: str) -> bool:
        """Returns whether a wait for a model is over: its versions are available or have failed."""
        if self._never_readable(name):
            return True
        states = {version.state for version in self._desired(name)}
        # The failure of a version is final only if its base path can be read.
        failed = set() if self._base_paths.error(name) else {State.END}
        return bool(states) and states <= {State.AVAILABLE, *failed}

    def _never_readable(self, name: str) -> StatusError | None:
        """The error of a base path that no wait can mend."""
        error = self._base_paths.error(name)
        unknown_scheme = error is not None and error.code == grpc.StatusCode.UNIMPLEMENTED
        return error if unknown_scheme else None

    def _failures(self, name: str) -> list[str]:
        """Why a model is not available, once it is settled; empty if it is available."""
        if (error := self._never_readable(name)) is not None:
            return [f"{{name: {name}}} due to error: {error.full_text}"]
        desired = self._desired(name)
        failed = [version for version in desired if version.state == State.END]
        if len(failed) < len(desired) and not self._models[name].policy.specific:
            return []
        return [
            f"{version} due to error: {version.error.full_text if version.error else ''}"
            for version in failed
        ]

    def _replace_waits(self, names: tuple[str, ...]) -> None:
        """Ends the waits for an earlier configuration; a start waits for `names` instead."""
        for wait in self._waits:
            if wait.starting:
                wait.names, wait.configuration = names, self._configuration
            else:
                reason = "A newer configuration came before these models were available"
                wait.end(StatusError(grpc.StatusCode.ABORTED, f"{reason}: {self._open(wait)}"))
        self._waits = [wait for wait in self._waits if not wait.future.done()]

    def _finish_waits(self) -> None:
        """Ends the waits whose models are settled, and those whose time is over."""
        for wait in self._waits:
            read = wait.configuration <= self._read_configuration
            if read and all(map(self._settled, wait.names)):
                wait.end(self._outcome(wait))
            elif wait.until <= time.monotonic():
                reason = "These models are not available yet"
                text = f"{reason}: {self._open(wait)}"
                wait.end(StatusError(grpc.StatusCode.DEADLINE_EXCEEDED, text))
        self._waits = [wait for wait in self._waits if not wait.future.done()]

    def _outcome(self, wait: Wait) -> StatusError | None:
        failures = [text for name in wait.names for text in self._failures(name)]
        if not failures:
            return None
        listed = "".join(f"{{{text}}}, " for text in failures)
        unit = "servable" if wait.starting else "model"
        text = f"{len(failures)} {unit}(s) did not become available: {{{listed}}}"
        return StatusError(grpc.StatusCode.UNKNOWN, text)

    def _open(self, wait: Wait) -> str:
        """The models that a wait still waits for, with the problems of their base paths."""
        return "; ".join(
            " ".join([f"{{name: {name}}}", *self._base_paths.problems(name)])
            for name in wait.names
            if not self._settled(name)
        )

    def _poll(self) -> None:
        """Reads the base paths; a model whose base path cannot be read keeps its versions."""
        with self._changed:
            configuration, models = self._configuration, list(self._models.values())
            seconds = self._options.poll_wait_seconds
            self._next_poll = time.monotonic() + seconds if seconds > 0 else math.inf
        found = self._base_paths.read(models) if seconds >= 0 else {}
        with self._changed:
            for model in models:
                # A newer configuration may have replaced the model in between.
                if model.name in found and self._models.get(model.name) == model:
                    self._choose_desired(model, found[model.name])
            if seconds >= 0:
                for name in self._versions.keys() - self._models.keys():
                    for version in self._versions[name].values():
                        version.desired = False
            self._read_configuration = configuration

    def _choose_desired(self, model: ModelConfig, paths: dict[int, str]) -> None:
        chosen = model.policy.choose(paths)
        versions = self._versions.setdefault(model.name, {})
        for number in chosen:
            known = versions.get(number)
            if known is None or _begins_anew(known, paths[number]):
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
                self._finish_waits()
                drained = self._start_changes()
                if not drained:
                    self._changed.wait(self._idle_seconds())
            for version in drained:
                self._unload(version)

    def _idle_seconds(self) -> float | None:
        retries = [version.retry_at for version in self._all_versions()]
        due = min([self._next_poll, *retries, *(wait.until for wait in self._waits)])
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
                if version.waits_for_load and not version.desired:
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


def _stopping() -> StatusError:
    return StatusError(grpc.StatusCode.UNAVAILABLE, "The server is stopping")


def _begins_anew(known: Version, path: str) -> bool:
    """Returns whether a version that is on disk at `path` is loaded as if it were new."""
    ended = known.state == State.END
    if known.path != path:
        return ended or known.waits_for_load
    # Do not retry a failed version until it has disappeared from disk or from the policy.
    return ended and not (known.desired and known.error)
