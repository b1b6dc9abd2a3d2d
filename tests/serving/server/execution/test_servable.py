"""Versions in a session, without a server."""

import pathlib
import threading

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import config_pb2

from serving.server.execution.servable import Servable


class WhichThread(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
    def ident(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"thread": tf.numpy_function(threading.get_ident, [], tf.int64)}


def test_runs_of_one_op_at_a_time_keep_to_their_own_threads(tmp_path: pathlib.Path) -> None:
    module = WhichThread()
    tf.saved_model.save(module, str(tmp_path), signatures={"ident": module.ident})
    for parallelism in (1, 2):
        options = config_pb2.ConfigProto(
            inter_op_parallelism_threads=parallelism, use_per_session_threads=True
        )
        servable = Servable(str(tmp_path), name="which", version=1, session_config=options)
        plan = servable.plan("ident", {"x": np.zeros(1, np.float32)}, [])
        (thread,) = servable.run(plan.feeds, plan.fetch_names)
        assert (thread == threading.get_ident()) == (parallelism == 1)
        servable.close()
