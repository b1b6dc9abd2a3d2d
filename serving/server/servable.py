"""One version of a SavedModel in a session: any signature, any dtype, no shapes checked."""

import dataclasses
import pathlib
import threading
from collections.abc import Callable, Mapping, Sequence

import grpc
import numpy as np
import tensorflow as tf
import tensorflow_text  # noqa: F401  Registers the ops that exported graphs may hold.
from tensorflow.core.protobuf import meta_graph_pb2

from serving.server.status import StatusError, from_tensorflow, invalid_argument

DEFAULT_SIGNATURE = "serving_default"


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a request asks of the graph: feeds by tensor name, fetches by output name."""

    feeds: Mapping[str, np.ndarray]
    fetches: Mapping[str, str]


class Servable:
    """A loaded version of a model."""

    def __init__(self, path: pathlib.Path, *, name: str, version: int) -> None:
        """Loads a version.

        Args:
          path: folder of the SavedModel.
          name: of the model.
          version: its number.

        Raises:
          OSError, tf.errors.OpError: there is no SavedModel that this TensorFlow can load.
        """
        self.name, self.version = name, version
        graph = tf.Graph()
        self._session = tf.compat.v1.Session(graph=graph)
        with graph.as_default():
            # Through a session, since a TF2 signature checks shapes, which the protocol does not.
            loaded = tf.compat.v1.saved_model.load(self._session, ["serve"], str(path))
        self.signatures: Mapping[str, meta_graph_pb2.SignatureDef] = dict(loaded.signature_def)
        self._callables: dict[tuple[tuple[str, ...], tuple[str, ...]], Callable] = {}
        self._lock = threading.Lock()

    def plan(
        self, signature: str, inputs: Mapping[str, np.ndarray], output_filter: Sequence[str]
    ) -> Plan:
        """Checks a request against a signature.

        Args:
          signature: its name.
          inputs: arrays by input name.
          output_filter: names of the outputs wanted; empty for all.

        Raises:
          StatusError: the request does not fit, in the words of TensorFlow Serving.
        """
        if signature not in self.signatures:
            text = f'Serving signature key "{signature}" not found.'
            raise StatusError(grpc.StatusCode.FAILED_PRECONDITION, text)
        definition = self.signatures[signature]
        _check_names(definition, inputs)
        feeds = {definition.inputs[alias].name: inputs[alias] for alias in inputs}
        dtypes = {info.name: info.dtype for info in definition.inputs.values()}
        for position, feed in enumerate(sorted(feeds)):
            expected, provided = tf.as_dtype(dtypes[feed]), _dtype(feeds[feed])
            if expected != provided:
                raise invalid_argument(
                    f"Expects arg[{position}] to be {_cpp_name(expected)} "
                    f"but {_cpp_name(provided)} is provided"
                )
        return Plan(feeds=feeds, fetches=_choose_outputs(definition, output_filter))

    def run(self, plan: Plan) -> dict[str, np.ndarray]:
        """Computes the outputs of a plan.

        Raises:
          StatusError: an op objects.
        """
        feeds = tuple(sorted(plan.feeds))
        fetches = tuple(plan.fetches.values())
        try:
            values = self._callable(feeds, fetches)(*(plan.feeds[feed] for feed in feeds))
        except tf.errors.OpError as error:
            raise from_tensorflow(error) from error
        return dict(zip(plan.fetches, values, strict=True))

    def _callable(self, feeds: tuple[str, ...], fetches: tuple[str, ...]) -> Callable:
        with self._lock:
            if (feeds, fetches) not in self._callables:
                self._callables[feeds, fetches] = self._session.make_callable(
                    list(fetches), feed_list=list(feeds)
                )
            return self._callables[feeds, fetches]


def _check_names(definition: meta_graph_pb2.SignatureDef, inputs: Mapping[str, np.ndarray]) -> None:
    sent, wanted = set(inputs), set(definition.inputs)
    if len(sent) != len(wanted):
        raise invalid_argument(
            f"input size does not match signature: {len(sent)}!={len(wanted)} "
            f"len({_braced(sent)}) != len({_braced(wanted)}). "
            f"Sent extra: {_braced(sent - wanted)}. "
            f"Missing but required: {_braced(wanted - sent)}."
        )
    for alias in sorted(wanted - sent):
        raise invalid_argument(
            f"Signature input alias: {alias}(feed name: {definition.inputs[alias].name}) not found "
            "in request and no default value provided. Inputs expected to be in the request "
            f"{_braced(sent)}, or default input alias set: "
        )


def _choose_outputs(
    definition: meta_graph_pb2.SignatureDef, output_filter: Sequence[str]
) -> dict[str, str]:
    chosen: dict[str, str] = {}
    for alias in output_filter:
        if alias not in definition.outputs:
            raise invalid_argument(
                f"output tensor alias not found in signature: {alias} "
                f"Outputs expected to be in the set {_braced(definition.outputs)}."
            )
        if alias in chosen:
            raise invalid_argument(f"duplicate output tensor alias: {alias}")
        chosen[alias] = definition.outputs[alias].name
    return chosen or {alias: info.name for alias, info in definition.outputs.items()}


def _braced(names: Sequence[str] | set[str] | Mapping[str, object]) -> str:
    return "{" + ",".join(sorted(names)) + "}"


def _dtype(array: np.ndarray) -> tf.DType:
    return tf.string if array.dtype == object else tf.as_dtype(array.dtype)


def _cpp_name(dtype: tf.DType) -> str:
    """The name that TensorFlow's C++ gives a dtype."""
    return {"float32": "float", "float64": "double", "float16": "half"}.get(dtype.name, dtype.name)
