r"""Serves the web page of a model; GET /text/<caption> returns the picture of a caption.

Example:
  python -m serving.demo --target=localhost:8500 --model=digits --port=8888 \
    --model_card=exports/digits/1/model_card.json
  python -m serving.demo --quickstart
"""

import functools
import pathlib

from absl import flags

from serving import program
from serving.client import AsyncClient
from serving.client.connection import parse_target
from serving.demo import card, quickstart, web_server
from serving.demo.app import make_app
from serving.demo.responses import DemoOptions
from serving.http_connections import ConnectionLimits, affordable

FLAGS = flags.FLAGS
MEGABYTE, KILOBYTE = 2**20, 2**10


def define_flags() -> None:
    """Defines the flags of this program."""
    flags.DEFINE_string(
        "target",
        None,
        "host:port of the model server, or several as a:1,b:2; calls rotate over them",
    )
    flags.DEFINE_string("model", None, "name of the model on the server")
    flags.DEFINE_string("model_card", None, "model_card.json of the export, shown on the page")
    flags.DEFINE_bool(
        "quickstart",
        False,
        "start a model server for the newest export in --exports_dir; replaces --target",
    )
    flags.DEFINE_string(
        "exports_dir", "exports", "folder with one folder per model; only with --quickstart"
    )
    flags.DEFINE_string(
        "host", "0.0.0.0", "address of the page; 127.0.0.1: only this machine has access"
    )
    flags.DEFINE_integer("port", 8888, "port of the page; 0: a free one", 0, 65535)
    flags.DEFINE_float(
        "timeout_seconds", 20.0, "seconds until a picture or an error message", 0.1, 3600.0
    )
    flags.DEFINE_integer("gallery_pictures", 9, "pictures to draw at once for a caption", 1, 64)
    flags.DEFINE_integer("max_caption_length", 500, "longest caption, in characters", 1, 10_000)
    flags.DEFINE_integer("max_body_kb", 64, "largest body of a request, in KiB", 1)
    flags.DEFINE_integer("cache_mb", 64, "size of the picture cache, in MiB; 0: no cache", 0)
    flags.DEFINE_integer(
        "max_age_seconds", 86_400, "seconds that browsers may cache a picture with a seed", 0
    )
    flags.DEFINE_integer(
        "rate_limit",
        0,
        "pictures per minute to draw for one client address, cached ones excluded; 0: no limit",
        0,
    )
    flags.DEFINE_float(
        "keep_alive_seconds", 75.0, "seconds that a connection without a request stays open", 0.1
    )
    flags.DEFINE_integer(
        "max_connections",
        1000,
        "open connections; fewer if the process has fewer file descriptors (ulimit -n)",
        1,
    )
    flags.DEFINE_list(
        "trusted_proxies", [], "proxy addresses whose X-Forwarded-For header is trusted"
    )


def main() -> None:
    """Serves until SIGTERM or SIGINT."""
    if FLAGS.rate_limit and FLAGS.rate_limit < FLAGS.gallery_pictures:
        rule = "must be 0 or at least --gallery_pictures"
        raise program.UsageError(f"--rate_limit: {rule}, got {FLAGS.rate_limit}")
    if FLAGS.quickstart:
        _serve_quickstart()
    else:
        _serve_target()


def _serve_target() -> None:
    for name in ("target", "model"):
        if FLAGS[name].value is None:
            rule = "must be given, or else --quickstart"
            raise program.UsageError(f"--{name}: {rule}, got neither")
    try:
        parse_target(FLAGS.target)
    except ValueError as error:  # Its text begins with the flag's name.
        raise program.UsageError(f"--{error}") from error
    _serve(FLAGS.target, FLAGS.model, _card(FLAGS.model_card))


def _serve_quickstart() -> None:
    if FLAGS.target is not None:
        rule = "must be left out with --quickstart"
        raise program.UsageError(f"--target: {rule}, got {FLAGS.target}")
    export = quickstart.newest_export(pathlib.Path(FLAGS.exports_dir), model=FLAGS.model)
    model_card = _card(FLAGS.model_card or (export.card if export.card.exists() else None))
    web_server.end_quietly_on_signals()
    print(f"Loading {export.folder}/{export.version} ...", flush=True)
    with quickstart.served(export) as target:
        _serve(target, export.folder.name, model_card)


def _card(path: str | pathlib.Path | None) -> card.Card:
    if path is None:
        return card.Card()
    try:
        return card.read(pathlib.Path(path))
    except ValueError as error:
        raise program.UsageError(f"--model_card: {error}") from error


def _serve(target: str, model: str, model_card: card.Card) -> None:
    options = DemoOptions(
        model=model,
        card=model_card,
        timeout_seconds=FLAGS.timeout_seconds,
        gallery_pictures=FLAGS.gallery_pictures,
        caption_characters=FLAGS.max_caption_length,
        cache_bytes=FLAGS.cache_mb * MEGABYTE,
        max_age_seconds=FLAGS.max_age_seconds,
        pictures_per_minute=FLAGS.rate_limit,
        body_bytes=FLAGS.max_body_kb * KILOBYTE,
    )
    connect = functools.partial(
        AsyncClient, target, model=model, timeout_seconds=FLAGS.timeout_seconds
    )
    web = web_server.WebServer(
        make_app(options, connect),
        host=FLAGS.host,
        port=FLAGS.port,
        drain_seconds=FLAGS.timeout_seconds,
        trusted_proxies=FLAGS.trusted_proxies,
        limits=ConnectionLimits(
            request_seconds=FLAGS.timeout_seconds,
            idle_seconds=FLAGS.keep_alive_seconds,
            connections=affordable(FLAGS.max_connections),
        ),
    )
    shown_host = "localhost" if FLAGS.host in ("0.0.0.0", "::") else FLAGS.host
    web_server.end_quietly_on_signals()
    print(f"The page of {model}: http://{shown_host}:{web.port}/", flush=True)
    web.run()


if __name__ == "__main__":
    define_flags()
    program.run(main)
