r"""Requests pictures of captions from a model server; writes PNG files or one sample grid.

Example:
  python -m serving.client --target=localhost:8500 --model=digits \
    --caption="a handwritten seven" --seed=1 --output=seven.png
  python -m serving.client --target=localhost:8500,other:8500 --model=digits \
    --caption="a handwritten seven" --caption="the digit 4" --seed=1 --seed=2 --output=sheet.png
"""

import os

from absl import flags

from serving import program

flags.DEFINE_string(
    "target",
    "localhost:8500",
    "host:port of the server, or several as a:1,b:2; calls rotate over them",
)
flags.DEFINE_string("model", None, "name of the model on the server", required=True)
flags.DEFINE_multi_string(
    "caption",
    None,
    "caption to draw, repeatable; empty: a joint model writes its own caption; not given: for an "
    "unconditional model",
)
flags.DEFINE_multi_integer(
    "seed",
    None,
    "seed of the latent, repeatable: each caption is drawn with each seed; not given: the server "
    "chooses a new seed",
    -(2**63),
    2**63 - 1,
)
flags.DEFINE_float(
    "truncation",
    0.0,
    "truncation of the latent, up to 1; only with --seed; 0: the model's default",
    0.0,
    1.0,
)
flags.DEFINE_string(
    "output", None, "PNG file to write; several pictures become a grid with one row per caption"
)
flags.DEFINE_string("output_dir", None, "folder for one PNG file per picture; replaces --output")
flags.DEFINE_float("timeout_seconds", 60.0, "seconds for the call, including retries", 0.001)
flags.DEFINE_integer(
    "attempts", 5, "most attempts while the server answers UNAVAILABLE; 1: no retry", 1
)
flags.DEFINE_bool("tls", False, "use TLS, and verify the server with gRPC's public certificates")
flags.DEFINE_string(
    "tls_ca", None, "PEM file with the CA certificates that verify the server; implies --tls"
)
flags.DEFINE_string(
    "tls_certificate", None, "PEM file with the client's certificate chain; implies --tls"
)
flags.DEFINE_string(
    "tls_key", None, "PEM file with the private key of --tls_certificate; implies --tls"
)
flags.DEFINE_multi_string(
    "metadata",
    [],
    "key=value to send with the call, such as authorization=Bearer ...; put secrets into a "
    "--flagfile",
)
HELP_GROUPS = {
    "Required": ["model"],
    "One of these is required": ["output", "output_dir"],
    "Pictures": ["caption", "seed", "truncation"],
    "Server": ["target", "timeout_seconds", "attempts"],
    "Security": ["tls", "tls_ca", "tls_certificate", "tls_key", "metadata"],
}


def main() -> None:
    """Requests pictures with one call, and writes them to files."""
    # Errors are one line, and gRPC's log would hide it. gRPC reads the variable at its import.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    # Imported here: help and flag errors do not wait for gRPC.
    from serving.client import command

    command.request()


if __name__ == "__main__":
    program.run(main, help_groups=HELP_GROUPS)
