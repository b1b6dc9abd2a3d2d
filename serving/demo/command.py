"""Serves the page that the flags of the program describe."""

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


def serve() -> None:
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
