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
        text = str(self).encode("utf-8", "replace").decode()
        return text if len(text) <= LONGEST_MESSAGE else text[:LONGEST_MESSAGE] + TRUNCATED

    @property
    def number(self) -> int:
        """The code as a number, as it is written in messages."""
        return self.code.value[0]

    @property
    def told(self) -> str:
        """Code and text in one, as TensorFlow prints a status."""
        return f"{self.code.name}: {self}"


def invalid_argument(text: str) -> StatusError:
    """The most frequent error: the request is wrong."""
    return StatusError(grpc.StatusCode.INVALID_ARGUMENT, text)


def from_exception(error: Exception) -> StatusError:
    """What an op or TensorFlow said with its code; anything else is told as INTERNAL."""
    if isinstance(error, StatusError):
        return error
    if isinstance(error, tf.errors.OpError):
        return StatusError(_CODES.get(error.error_code, grpc.StatusCode.UNKNOWN), error.message)
    return StatusError(grpc.StatusCode.INTERNAL, f"{type(error).__name__}: {error}")
