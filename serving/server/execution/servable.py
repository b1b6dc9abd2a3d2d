"""One version of a SavedModel in a session: any signature, any dtype, no shape checks."""

import dataclasses
import functools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence

import grpc
import numpy as np
import tensorflow as tf
import tensorflow_text  # noqa: F401  Registers the ops that exported graphs may hold.
from tensorflow.core.framework import tensor_pb2
from tensorflow.core.protobuf import config_pb2, meta_graph_pb2
from tensorflow_serving.apis import predict_pb2

from serving.server.execution import arrays
from serving.server.status import StatusError, from_exception, invalid_argument

DEFAULT_SIGNATURE = "serving_default"
SERVE_TAGS = ("serve",)
MOST_CALLABLES = 64


@dataclasses.dataclass(frozen=True)
class RunPlan:
    """A request in terms of the graph.

    Attributes:
      feeds: arrays by tensor name.
      fetches: tensor names by output name.
    """

    feeds: Mapping[str, np.ndarray]
    fetches: Mapping[str, str]

    @functools.cached_property
    def fetch_names(self) -> tuple[str, ...]:
        """The names of the tensors to compute, without duplicates, sorted."""
        return tuple(sorted(set(self.fetches.values())))

    def outputs(self, values: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        """Arrays by output name, from the values of `fetch_names`."""
        computed = dict(zip(self.fetch_names, values, strict=True))
        return {alias: computed[name] for alias, name in self.fetches.items()}


@dataclasses.dataclass(frozen=True)
class _FastPath:
    """A signature, for the common request: exactly its inputs, and all its outputs."""

    feeds: Mapping[str, str]
    kinds: Mapping[str, np.dtype]
    fetches: Mapping[str, str]

    def plan(self, inputs: Mapping[str, np.ndarray]) -> RunPlan | None:
        """The plan of a common request; None for other or invalid requests."""
        if inputs.keys() != self.feeds.keys():
            return None
        if any(inputs[alias].dtype != kind for alias, kind in self.kinds.items()):
            return None
        feeds = {name: inputs[alias] for alias, name in self.feeds.items()}
        return RunPlan(feeds=feeds, fetches=self.fetches)


class Servable:
    """A loaded version of a model."""

    def __init__(
        self,
        path: str,
        *,
        name: str,
        version: int,
        tags: Sequence[str] = SERVE_TAGS,
        session_config: config_pb2.ConfigProto | None = None,
    ) -> None:
        """Loads a version.

        Args:
          path: folder of the SavedModel.
          name: name of the model.
          version: version number.
          tags: tags of the graph to load.
          session_config: threads and devices; None for TensorFlow's defaults.

        Raises:
          OSError, RuntimeError, tf.errors.OpError: the folder has no SavedModel that this
            TensorFlow can load.
        """
        self.name, self.version, self.path = name, version, path
        # With one inter-op thread, that thread would serve all runs in sequence; so each run uses
        # its caller's thread (-1).
        alone = session_config is not None and session_config.inter_op_parallelism_threads == 1
        self._run_options = config_pb2.RunOptions(inter_op_thread_pool=-1 if alone else 0)
        graph = tf.Graph()
        self._session = tf.compat.v1.Session(graph=graph, config=session_config)
        try:
            with graph.as_default():
                # Load in TF1 style: a TF2 signature checks shapes, the protocol does not.
                loaded = tf.compat.v1.saved_model.load(self._session, list(tags), path)
        except BaseException:
            self._session.close()
            raise
        self.signatures: Mapping[str, meta_graph_pb2.SignatureDef] = dict(loaded.signature_def)
        self._fast_paths = {name: _fast_path(each) for name, each in self.signatures.items()}
        # Bounded, since clients may request many combinations of outputs.
        self._callable = functools.lru_cache(MOST_CALLABLES)(self._make_callable)

    def close(self) -> None:
        """Frees the session and its graph; no run may be active."""
        self._callable.cache_clear()
        self._session.close()

    def signature(self, name: str) -> meta_graph_pb2.SignatureDef:
        """The signature of a name.

        Raises:
          StatusError: the model has no such signature; the message is TensorFlow Serving's.
        """
        if name not in self.signatures:
            text = f'Serving signature key "{name}" not found.'
            raise StatusError(grpc.StatusCode.FAILED_PRECONDITION, text)
        return self.signatures[name]

    def plan(
        self, signature: str, inputs: Mapping[str, np.ndarray], output_filter: Sequence[str]
    ) -> RunPlan:
        """Checks a request against a signature, and returns its plan.

        Args:
          signature: name of the signature.
          inputs: arrays by input name.
          output_filter: names of the requested outputs; empty for all.

        Raises:
          StatusError: the request does not match; the message is TensorFlow Serving's.
        """
        definition = self.signature(signature)
        fast_path = self._fast_paths[signature]
        if fast_path and not output_filter and (plan := fast_path.plan(inputs)):
            return plan
        feeds = _choose_inputs(definition, inputs)
        dtypes = {info.name: info.dtype for info in definition.inputs.values()}
        for position, feed in enumerate(sorted(feeds)):
            expected, provided = tf.as_dtype(dtypes[feed]), _dtype(feeds[feed])
            if expected != provided:
                raise invalid_argument(
                    f"Expects arg[{position}] to be {cpp_name(expected)} "
                    f"but {cpp_name(provided)} is provided"
                )
        return RunPlan(feeds=feeds, fetches=_choose_outputs(definition, output_filter))

    def run(self, feeds: Mapping[str, np.ndarray], fetches: Sequence[str]) -> list[np.ndarray]:
        """Computes tensors.

        Args:
          feeds: arrays by tensor name.
          fetches: names of the tensors to compute.

        Raises:
          StatusError: an op fails, or an array cannot be fed.
        """
        names = tuple(sorted(feeds))
        try:
            values = self._callable(names, tuple(fetches))(*(feeds[name] for name in names))
        except (tf.errors.OpError, TypeError, ValueError) as error:
            raise from_exception(error) from error
        # A scalar string arrives as bytes; a NumPy bytes dtype would drop its trailing zero bytes.
        return [
            np.array(value, object) if isinstance(value, bytes) else np.asarray(value)
            for value in values
        ]

    def _make_callable(self, feeds: tuple[str, ...], fetches: tuple[str, ...]) -> Callable:
        # Session.run and make_callable would check shapes against the placeholders.
        options = config_pb2.CallableOptions(
            feed=feeds, fetch=fetches, run_options=self._run_options
        )
        return self._session._make_callable_from_options(options)


def plan_of_request(
    servable: Servable,
    request: predict_pb2.PredictRequest,
    *,
    most_repeated_bytes: float = math.inf,
) -> RunPlan:
    """Parses a request.

    Args:
      servable: the version that answers.
      request: the request.
      most_repeated_bytes: most bytes of an input that leaves out repeated values.

    Raises:
      StatusError: the request does not match the model's signature.
    """
    signature = request.model_spec.signature_name or DEFAULT_SIGNATURE
    servable.signature(signature)
    inputs = {
        alias: parse_input(alias, proto, most_repeated_bytes=most_repeated_bytes)
        for alias, proto in request.inputs.items()
    }
    return servable.plan(signature, inputs, request.output_filter)


def _fast_path(definition: meta_graph_pb2.SignatureDef) -> _FastPath | None:
    """The fast path of a signature; None if an input is not a tensor."""
    inputs = {alias: definition.inputs[alias] for alias in sorted(definition.inputs)}
    try:
        kinds = {alias: tf.as_dtype(info.dtype).as_numpy_dtype for alias, info in inputs.items()}
    except TypeError:
        return None
    return _FastPath(
        feeds={alias: info.name for alias, info in inputs.items()},
        kinds={alias: np.dtype(kind) for alias, kind in kinds.items()},
        fetches=_choose_outputs(definition, []),
    )


def _choose_inputs(
    definition: meta_graph_pb2.SignatureDef, inputs: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    sent, wanted, defaults = set(inputs), set(definition.inputs), definition.defaults
    if len(sent) > len(wanted) or (len(sent) < len(wanted) and not defaults):
        raise invalid_argument(
            f"input size does not match signature: {len(sent)}!={len(wanted)} "
            f"len({_braced(sent)}) != len({_braced(wanted)}). "
            f"Sent extra: {_braced(sent - wanted)}. "
            f"Missing but required: {_braced(wanted - sent)}."
        )
    feeds = {}
    for alias in sorted(wanted):
        feed = definition.inputs[alias].name
        if alias in inputs:
            feeds[feed] = inputs[alias]
        elif alias in defaults:
            feeds[feed] = parse_input(alias, defaults[alias])
        else:
            raise invalid_argument(
                f"Signature input alias: {alias}(feed name: {feed}) not found "
                "in request and no default value provided. Inputs expected to be in the request "
                f"{_braced(sent)}, or default input alias set: {','.join(sorted(defaults))}"
            )
    if sent - wanted:
        used, all_sent = ",".join(sorted(sent & wanted)), ",".join(sorted(sent))
        raise invalid_argument(
            f"Inputs contains invalid name. Used request inputs: {used}, request input: {all_sent}"
        )
    return feeds


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


def parse_input(
    alias: str, proto: tensor_pb2.TensorProto, *, most_repeated_bytes: float = math.inf
) -> np.ndarray:
    """Reads the tensor of an input; see `arrays.parse`.

    Raises:
      StatusError: the proto is invalid; the message is TensorFlow Serving's.
    """
    try:
        return arrays.parse(proto, most_repeated_bytes=most_repeated_bytes)
    except ValueError as error:
        raise invalid_argument(f"tensor parsing error: {alias}") from error


def cpp_name(dtype: tf.DType) -> str:
    """The name of a dtype in TensorFlow's C++ code."""
    return {"float32": "float", "float64": "double", "float16": "half"}.get(dtype.name, dtype.name)


def _braced(names: Iterable[str]) -> str:
    return "{" + ",".join(sorted(names)) + "}"


def _dtype(array: np.ndarray) -> tf.DType:
    return tf.string if array.dtype == object else tf.as_dtype(array.dtype)
