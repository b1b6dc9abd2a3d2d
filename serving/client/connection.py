"""Channels to the servers of a model: round-robin over addresses, TLS, call metadata."""

import dataclasses
import functools
import itertools
import operator
import re
from collections.abc import Sequence
from types import ModuleType
from typing import Any, ClassVar

import grpc

from serving.client import describe, predict
from serving.client.retry import Attempts, Retry
from serving.wire import messages

OPTIONS = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    # If one name has several addresses, such as a headless service, calls rotate over them too.
    ("grpc.lb_policy_name", "round_robin"),
    # Equal to the first wait before a retry; with a longer backoff, the retry would fail at once.
    ("grpc.initial_reconnect_backoff_ms", 100),
    # Reconnect within seconds even if a server was away for minutes.
    ("grpc.max_reconnect_backoff_ms", 5_000),
]
# gRPC's own name schemes: https://github.com/grpc/grpc/blob/master/doc/naming.md
_RESOLVED_BY_GRPC = re.compile(r"(dns|ipv4|ipv6|unix|unix-abstract|xds):\S+")
_HOST_AND_PORT = re.compile(r"(?:[^\s,:/\[\]]+|\[[0-9a-fA-F:.]+\]):([0-9]{1,5})")
_METADATA_KEY = re.compile(r"[0-9a-z_.-]+")
_METADATA_VALUE = re.compile(r"[ -~]*")
_LARGEST_PORT = 65535

Metadata = Sequence[tuple[str, str | bytes]]


@dataclasses.dataclass(frozen=True)
class Tls:
    """TLS of the connection.

    Attributes:
      ca: CA certificates that verify the server, in PEM; None: gRPC's public ones.
      certificate: the client's certificate chain, in PEM, for servers that require one.
      key: private key of `certificate`, in PEM.
    """

    ca: bytes | None = None
    certificate: bytes | None = None
    key: bytes | None = dataclasses.field(default=None, repr=False)

    def __post_init__(self) -> None:
        """Raises ValueError if a value is not PEM, or only one of certificate and key is given."""
        if (self.certificate is None) != (self.key is None):
            missing = "certificate" if self.certificate is None else "key"
            raise ValueError(f"{missing}: certificate and key must be given together, got none")
        for name, kind in (
            ("ca", b"CERTIFICATE"),
            ("certificate", b"CERTIFICATE"),
            ("key", b"PRIVATE KEY"),
        ):
            content = getattr(self, name)
            if content is not None and not re.search(b"-----BEGIN [A-Z ]*%b-----" % kind, content):
                raise ValueError(f"{name}: must hold a {kind.decode()} in PEM, got none")

    def credentials(self) -> grpc.ChannelCredentials:
        """The credentials for a channel."""
        return grpc.ssl_channel_credentials(self.ca, self.key, self.certificate)


class Connection:
    """Channels to the servers of a model; base class of both clients."""

    # grpc or grpc.aio; both have the same functions that open channels.
    _library: ClassVar[ModuleType]

    def __init__(
        self,
        target: str,
        *,
        model: str,
        timeout_seconds: float = 60.0,
        tls: Tls | None = None,
        metadata: Metadata = (),
        retry: Retry = Retry(),  # noqa: B008  It is frozen.
    ) -> None:
        """Creates a channel to every address; sends nothing yet.

        Args:
          target: host:port, several separated by commas, or a name in one of gRPC's schemes such
            as unix:/run/serving.sock or dns:///serving:8500. Calls rotate over the addresses.
          model: name of the model on the servers.
          timeout_seconds: limit of each call, with its retries and waits.
          tls: TLS of the connections; None for plain text.
          metadata: pairs to send with each call: lower-case keys and printable ASCII values, such
            as ("authorization", "Bearer ..."), or bytes for keys that end with -bin.
          retry: controls retries of calls that a server did not accept.

        Raises:
          ValueError: an argument breaks one of these rules.
        """
        if not timeout_seconds > 0:
            raise ValueError(f"timeout_seconds: must be above 0, got {timeout_seconds}")
        self._model, self._retry, self._timeout_seconds = model, retry, timeout_seconds
        self._metadata = checked_metadata(metadata)
        addresses = parse_target(target)
        if tls is None:
            open_channel = self._library.insecure_channel
        else:
            credentials = tls.credentials()
            open_channel = functools.partial(self._library.secure_channel, credentials=credentials)
        self._channels = [open_channel(address, options=OPTIONS) for address in addresses]
        self._predict_stubs = self._stubs(predict.METHOD, messages.PredictResponse)
        self._describe_stubs = self._stubs(describe.METHOD, messages.GetModelMetadataResponse)
        self._next_address = itertools.count()

    def _stubs(self, method: str, response: Any) -> list[Any]:
        """The stubs of an RPC method with this class of responses, one per address."""
        # The same request gives the same bytes, although maps are unordered.
        serialize = operator.methodcaller("SerializeToString", deterministic=True)
        return [
            channel.unary_unary(method, serialize, response.FromString)
            for channel in self._channels
        ]

    def _attempts(self) -> Attempts:
        return Attempts(
            self._retry,
            first_address=next(self._next_address),
            addresses=len(self._channels),
            timeout_seconds=self._timeout_seconds,
        )

    def _send(self, stubs: Sequence[Any], request: Any, attempt: Attempts) -> Any:
        """Sends a request; returns the response, or with grpc.aio an awaitable of it."""
        stub = stubs[attempt.address]
        return stub(request, timeout=attempt.remaining_seconds, metadata=self._metadata)


def parse_target(target: str) -> list[str]:
    """Splits a target into addresses.

    Raises:
      ValueError: the target is neither host:port, nor several separated by commas, nor a name in
        one of gRPC's schemes.
    """
    if _RESOLVED_BY_GRPC.fullmatch(target):
        return [target]
    addresses = target.split(",")
    for address in addresses:
        parsed = _HOST_AND_PORT.fullmatch(address)
        if parsed is None or not 1 <= int(parsed[1]) <= _LARGEST_PORT:
            raise ValueError(f"target: must be host:port, or several a:1,b:2, got {target!r}")
    return addresses


def checked_metadata(metadata: Metadata) -> tuple[tuple[str, str | bytes], ...]:
    """Returns the metadata unchanged, as a tuple.

    Raises:
      ValueError: gRPC would refuse to send a pair.
    """
    for key, value in metadata:
        if not _METADATA_KEY.fullmatch(key) or key.startswith("grpc-"):
            rule = "must have keys of a-z, 0-9, _, - and ., not beginning with grpc-"
            raise ValueError(f"metadata: {rule}, got {key!r}")
        # The messages below show no value: it may be a secret.
        if key.endswith("-bin") != isinstance(value, bytes):
            rule = "must be bytes where the key ends with -bin, and else str"
            raise ValueError(f"metadata: {rule}, got {type(value).__name__} for {key}")
        if isinstance(value, str) and not _METADATA_VALUE.fullmatch(value):
            raise ValueError(f"metadata: must be printable ASCII, got something else for {key}")
    return tuple(metadata)
