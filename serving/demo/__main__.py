r"""Serves the web page of a model; GET /text/<caption> returns the picture of a caption.

Example:
  python -m serving.demo --target=localhost:8500 --model=digits --port=8888 \
    --model_card=exports/digits/1/model_card.json
  python -m serving.demo --quickstart
"""

from absl import flags

from serving import program

HELP_GROUPS = {
    "Required": ["target", "model"],
    "Instead of --target": ["quickstart", "exports_dir"],
    "Page": ["model_card", "gallery_pictures", "max_caption_length", "timeout_seconds"],
    "Network": ["host", "port", "keep_alive_seconds", "max_connections", "max_body_kb"],
    "Load": ["cache_mb", "max_age_seconds", "rate_limit", "trusted_proxies"],
}


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
    # Imported here: help and flag errors need none of the packages of the extra.
    from serving.demo import command

    command.serve()


if __name__ == "__main__":
    define_flags()
    program.run(main, help_groups=HELP_GROUPS)
