"""Errors with a gRPC code and the text that TensorFlow Serving sends."""

import grpc
import tensorflow as tf

LONGEST_MESSAGE = 1024
TRUNCATED = "...TRUNCATED"
_CODES = {code.value[0]: code for code in grpc.StatusCode}


class StatusError(Exception):
    """Ends a call with a code and a text."""

    def __init__(self, code: grpc.StatusCode, text: str) -> None:
        super().__init__(text)
        self.code = code

    @property
    def text(self) -> str:
        """What the client is told: at most 1,024 characters, and a mark where more was."""
        text = str(self)
        return text if len(text) <= LONGEST_MESSAGE else text[:LONGEST_MESSAGE] + TRUNCATED


def invalid_argument(text: str) -> StatusError:
    """The most frequent error: the request is wrong."""
    return StatusError(grpc.StatusCode.INVALID_ARGUMENT, text)


def from_tensorflow(error: tf.errors.OpError) -> StatusError:
    """What an op said, with the code it said it with."""
    return StatusError(_CODES.get(error.error_code, grpc.StatusCode.UNKNOWN), error.message)
