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
        """The text for the client: at most 1,024 characters, then a mark if it was longer."""
        text = str(self).encode("utf-8", "replace").decode()
        return text if len(text) <= LONGEST_MESSAGE else text[:LONGEST_MESSAGE] + TRUNCATED

    @property
    def number(self) -> int:
        """The code as a number, as in protobuf messages."""
        return self.code.value[0]

    @property
    def full_text(self) -> str:
        """Code and full text in one string, as TensorFlow prints a status."""
        return f"{self.code.name}: {self}"


def invalid_argument(text: str) -> StatusError:
    """The error of an invalid request."""
    return StatusError(grpc.StatusCode.INVALID_ARGUMENT, text)


def from_exception(error: Exception) -> StatusError:
    """The StatusError of an exception: TensorFlow errors keep their code, others are INTERNAL."""
    if isinstance(error, StatusError):
        return error
    if isinstance(error, tf.errors.OpError):
        return StatusError(_CODES.get(error.error_code, grpc.StatusCode.UNKNOWN), error.message)
    return StatusError(grpc.StatusCode.INTERNAL, f"{type(error).__name__}: {error}")
