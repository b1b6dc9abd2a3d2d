"""Every flag of the server reaches the options that it names."""

import pathlib
import types

import pytest

from serving.http_connections import ConnectionLimits
from serving.server import settings
from serving.server.execution.batch_options import BatchOptions
from serving.server.lifecycle.manager import ManagerOptions
from serving.server.lifecycle.model_config import ModelConfig
from serving.server.protocol.model_server import ServerOptions
from serving.server.protocol.rest import RestOptions


def give(monkeypatch: pytest.MonkeyPatch, **flags: object) -> None:
    """Replaces the flags of the program."""
    monkeypatch.setattr(settings, "FLAGS", types.SimpleNamespace(**flags))


def test_model_is_that_of_its_flags(monkeypatch: pytest.MonkeyPatch) -> None:
    give(monkeypatch, model_config_file="", model_name="seven", model_base_path="/models/7")
    assert settings.models() == [ModelConfig(name="seven", base_path="/models/7")]


def test_versions_are_loaded_as_the_flags_say(monkeypatch: pytest.MonkeyPatch) -> None:
    give(
        monkeypatch,
        file_system_poll_wait_seconds=3.0,
        num_load_threads=2,
        max_num_load_retries=7,
        load_retry_interval_micros=2_500_000,
        allow_version_labels_for_unavailable_models=True,
    )
    assert settings.manager() == ManagerOptions(
        poll_wait_seconds=3.0,
        load_threads=2,
        max_load_retries=7,
        load_retry_seconds=2.5,
        labels_for_unavailable=True,
    )


def test_batching_is_that_of_its_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    file = tmp_path / "batching.config"
    file.write_text("max_batch_size { value: 64 } batch_timeout_micros { value: 5000 }")
    for enabled, path, options in (
        (False, "", None),
        (True, "", BatchOptions()),
        (True, str(file), BatchOptions(64, 0.005, max_execution_batch_size=64)),
    ):
        give(monkeypatch, enable_batching=enabled, batching_parameters_file=path)
        assert settings.batching() == options


def test_sessions_have_the_threads_of_the_flags(monkeypatch: pytest.MonkeyPatch) -> None:
    for both, intra, inter in ((0, 2, 3), (4, 0, 0)):
        give(
            monkeypatch,
            tensorflow_session_config_file="",
            tensorflow_session_parallelism=both,
            tensorflow_intra_op_parallelism=intra,
            tensorflow_inter_op_parallelism=inter,
        )
        config = settings.session()
        found = (config.intra_op_parallelism_threads, config.inter_op_parallelism_threads)
        assert found == ((both, both) if both else (intra, inter))


def test_ports_and_their_limits_are_those_of_the_flags(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    monitoring = tmp_path / "monitoring.config"
    monitoring.write_text('prometheus_config { enable: true path: "/figures" }')
    give(
        monkeypatch,
        port=8600,
        grpc_socket_path="unix:/run/grpc.sock",
        rest_api_port=8601,
        rest_api_timeout_in_ms=7000,
        rest_api_keep_alive_in_ms=9000,
        rest_api_enable_cors_support=True,
        monitoring_config_file=str(monitoring),
        max_connections=11,
        ssl_config_file="",
        grpc_channel_arguments="grpc.max_connection_age_ms=5000,grpc.name=a",
        enable_grpc_healthcheck_service=True,
        enable_serialization_as_tensor_content=True,
        max_repeated_tensor_bytes=1234,
    )
    assert settings.server() == ServerOptions(
        port=8600,
        socket_path="/run/grpc.sock",
        rest_port=8601,
        rest=RestOptions(timeout_seconds=7.0, cors=True, metrics_path="/figures"),
        rest_limits=ConnectionLimits(request_seconds=7.0, idle_seconds=9.0, connections=11),
        grpc_connections=11,
        channel_arguments=[("grpc.max_connection_age_ms", 5000), ("grpc.name", "a")],
        health=True,
        as_content=True,
        most_repeated_bytes=1234,
    )
