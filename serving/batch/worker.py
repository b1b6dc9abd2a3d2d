"""A worker process of Beam; it sends its log to the runner's process, and writes none to stderr."""

import logging
import sys

# Before Beam is loaded: its first message would add a handler that writes all messages to stderr.
logging.getLogger().addHandler(logging.NullHandler())

from apache_beam.runners.worker import sdk_worker_main  # noqa: E402

if __name__ == "__main__":
    sdk_worker_main.main(sys.argv)
