"""The server follows --model_config_file, whatever the file names."""

import pathlib

import grpc
from tensorflow_serving.apis import prediction_service_pb2_grpc

from serving.child_server import free_port
from tests import programs
from tests.serving.models import predict_request
from tests.serving.servers import until


def write(path: pathlib.Path, **base_paths: pathlib.Path | str) -> None:
    """Replaces a file of models at once."""
    text = 'config { name: "%s" base_path: "%s" model_platform: "tensorflow" }'
    listed = "\n".join(text % model for model in base_paths.items())
    written = path.with_suffix(".new")
    written.write_text(f"model_config_list {{ {listed} }}")
    written.rename(path)


def test_a_file_with_a_missing_base_path_can_be_corrected(
    tmp_path: pathlib.Path, doubler_versions: pathlib.Path
) -> None:
    file, log, port = tmp_path / "models.config", tmp_path / "stderr", free_port()
    log.touch()
    good, missing = doubler_versions, tmp_path / "missing"
    write(file, m=good, late=missing)
    options = [f"--model_config_file={file}", "--model_config_file_poll_wait_seconds=1"]
    with (
        programs.start("serving.server", f"--port={port}", *options, stderr=str(log)) as server,
        grpc.insecure_channel(f"localhost:{port}") as channel,
    ):
        # At the start, while the ports are closed.
        until(lambda: f"Could not find base path {missing}" in log.read_text())
        write(file, m=good)
        assert any(line.startswith("Running gRPC") for line in server.stdout)
        # While the server runs: two base paths cannot be read, the other models change.
        unreadable = {"late": missing, "far": "s3x://bucket/m"}
        write(file, m=good, **unreadable)
        until(lambda: "'s3x' not implemented" in log.read_text())
        write(file, m=good, other=good, **unreadable)
        predict = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict

        def answered() -> bool:
            try:
                predict(predict_request("other", {"x": [1.0]}), timeout=60)
            except grpc.RpcError:
                return False
            return True

        until(answered)
