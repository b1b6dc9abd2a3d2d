"""The flags of the server; tensorflow_model_server has most of them too. Needs no TensorFlow."""

import os

from absl import flags

UNSUPPORTED = frozenset(
    {
        "enable_per_model_batching_parameters",
        "enable_profiler",
        "enable_signature_method_name_check",
        "flush_filesystem_caches",
        "mixed_precision",
        "num_tflite_interpreters_per_pool",
        "num_tflite_pools",
        "num_unload_threads",
        "per_process_gpu_memory_fraction",
        "platform_config_file",
        "prefer_tflite_model",
        "remove_unused_fields_from_bundle_metagraph",
        "rest_api_num_threads",
        "skip_initialize_tpu",
        "thread_pool_factory_config_file",
        "use_alts_credentials",
        "xla_cpu_compilation_enabled",
        "xla_gpu_compilation_enabled",
    }
)

FLAGS = flags.FLAGS
CPUS = os.cpu_count() or 1
# The last value of a message replaces all missing values, so a few bytes could request a tensor of
# any size; this is the limit of a server for its clients.
MOST_REPEATED_BYTES = 2**26


def define_flags() -> dict[str, list[str]]:
    """Defines the flags of this server; tensorflow_model_server has most of them too.

    Returns:
      The names of the flags, by titles of groups.
    """
    groups: dict[str, list[str]] = {}
    for title, define in (
        ("Models", _define_models),
        ("Loading of versions", _define_loading),
        ("Ports", _define_ports),
        ("gRPC", _define_grpc),
        ("REST", _define_rest),
        ("Running of requests", _define_running),
    ):
        others = set(FLAGS)
        define()
        groups[title] = [name for name in FLAGS if name not in others]
    return groups


def _define_models() -> None:
    flags.DEFINE_string("model_name", "default", "name of the model in requests")
    flags.DEFINE_string(
        "model_base_path", "", "absolute path or URI of the folder that holds the versions"
    )
    flags.DEFINE_string(
        "model_config_file", "", "text file with a ModelServerConfig: one or several models"
    )
    flags.DEFINE_integer(
        "model_config_file_poll_wait_seconds",
        0,
        "seconds between two reads of --model_config_file; 0: read once",
        0,
    )
    flags.DEFINE_list("saved_model_tags", "serve", "tags of the graph in the SavedModel")
    flags.DEFINE_boolean(
        "allow_version_labels_for_unavailable_models",
        False,
        "accept a new label for a version that is not loaded",
    )


def _define_loading() -> None:
    flags.DEFINE_integer(
        "file_system_poll_wait_seconds",
        1,
        "seconds between two searches for new versions; 0: search once, -1: never",
        -1,
    )
    flags.DEFINE_integer(
        "num_load_threads", 0, "versions to load at the same time; 0: one after the other", 0
    )
    flags.DEFINE_integer(
        "max_num_load_retries", 5, "retries when a version cannot be loaded; 0: none", 0
    )
    flags.DEFINE_integer(
        "load_retry_interval_micros", 60_000_000, "microseconds between two load attempts", 0
    )
    flags.DEFINE_boolean(
        "enable_model_warmup", True, "run a version's warm-up records before it serves requests"
    )
    flags.DEFINE_integer(
        "num_request_iterations_for_warmup", 0, "runs of each warm-up record; 0: one run", 0
    )


def _define_ports() -> None:
    flags.DEFINE_integer("port", 8500, "gRPC port, on all IPv4 addresses; 0: no port", 0, 65535)
    flags.DEFINE_string(
        "grpc_socket_path", "", "path of a unix socket for gRPC, in addition to --port"
    )
    flags.DEFINE_integer(
        "rest_api_port", 0, "REST port, on all addresses of IPv6 and IPv4; 0: no REST", 0, 65535
    )
    flags.DEFINE_integer(
        "max_connections",
        1000,
        "open connections per port; fewer if the process has fewer file descriptors (ulimit -n)",
        1,
    )


def _define_grpc() -> None:
    flags.DEFINE_string(
        "ssl_config_file", "", "text file with an SSLConfig: TLS on the gRPC port; empty: no TLS"
    )
    flags.DEFINE_string(
        "grpc_channel_arguments", "", "arguments of the gRPC server, as name=value,name=value"
    )
    flags.DEFINE_boolean(
        "enable_grpc_healthcheck_service", False, "serve health checks (grpc.health.v1.Health)"
    )
    flags.DEFINE_boolean(
        "enable_serialization_as_tensor_content",
        False,
        "send numbers as packed bytes (tensor_content)",
    )
    flags.DEFINE_integer(
        "max_repeated_tensor_bytes",
        MOST_REPEATED_BYTES,
        "most bytes of an input whose message has fewer values than its shape: the last value is "
        "repeated, so that a small request can need much memory",
        0,
    )


def _define_rest() -> None:
    flags.DEFINE_integer(
        "rest_api_timeout_in_ms",
        30_000,
        "milliseconds for the headers of a REST request to arrive, and from there to its response",
        1,
    )
    flags.DEFINE_integer(
        "rest_api_keep_alive_in_ms",
        75_000,
        "milliseconds that a REST connection without a request stays open",
        1,
    )
    flags.DEFINE_boolean(
        "rest_api_enable_cors_support", False, "allow web pages of other sites to send requests"
    )
    flags.DEFINE_string(
        "monitoring_config_file",
        "",
        "text file with a MonitoringConfig: Prometheus metrics on the REST port",
    )


def _define_running() -> None:
    flags.DEFINE_integer(
        "grpc_max_threads",
        4 * CPUS,
        "requests to run at the same time without --enable_batching; default: 4 per CPU",
        1,
    )
    flags.DEFINE_boolean(
        "enable_batching", False, "merge requests for the same model version into batches"
    )
    flags.DEFINE_string(
        "batching_parameters_file",
        "",
        "text file with BatchingParameters; only with --enable_batching",
    )
    flags.DEFINE_integer(
        "tensorflow_session_parallelism",
        0,
        "value of both the intra-op and the inter-op parallelism; 0: automatic",
        0,
    )
    flags.DEFINE_integer(
        "tensorflow_intra_op_parallelism", 0, "threads within one op; 0: automatic", 0
    )
    flags.DEFINE_integer(
        "tensorflow_inter_op_parallelism", 0, "ops that run at the same time; 0: automatic", 0
    )
    flags.DEFINE_string(
        "tensorflow_session_config_file", "", "text file with a ConfigProto of the sessions"
    )
