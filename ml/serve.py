"""`python -m ml.serve`: answer scores over HTTP with the newest models, in this process, until stopped."""

import argparse
import socket
import sys
from collections.abc import Sequence
from importlib.util import find_spec

from common.errors import UserError, run_command
from ml.tasks import TASKS

DEFAULT_PORT = 8000
POLL_SECONDS = 5.0


def main(arguments: Sequence[str] | None = None) -> None:
    """Load the models, then serve.

    Raises:
        UserError: FastAPI is not installed, there is no model, or the address can't be had.
    """
    parser = argparse.ArgumentParser(prog="python -m ml.serve", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument("--port", type=_port, default=DEFAULT_PORT, help="(%(default)s; 0: any free one)")
    options = parser.parse_args(arguments)
    missing = [name for name in ("fastapi", "uvicorn") if find_spec(name) is None]
    if missing:
        raise UserError(f"{' and '.join(missing)} must be installed to serve: `pip install '.[serve]'`")
    # Only here: the other commands do without.
    import uvicorn

    from ml.serving.app import make_app
    from ml.serving.live_models import LiveModels

    live = LiveModels(TASKS)
    live.refresh()
    if not live.state.models:
        raise UserError("; ".join(live.state.problems) or "there is no model yet: run `python -m ml.train`")
    listening = _listen(options.host, options.port)
    host, port = listening.getsockname()[:2]
    print(f"{len(live.state.models)} models at http://{host}:{port}/docs (Ctrl-C ends it)", flush=True)
    config = uvicorn.Config(make_app(live, POLL_SECONDS), log_level="warning", access_log=False)
    uvicorn.Server(config).run(sockets=[listening])


def _listen(host: str, port: int) -> socket.socket:
    try:
        [(family, kind, _, _, address), *_] = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        listening = socket.socket(family, kind)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        # Whoever connects from now on waits until the server has started.
        listening.listen()
    except OSError as error:
        raise UserError(
            f"can't listen on {host}:{port} ({error.strerror}): choose --host and --port"
        ) from error
    return listening


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65_535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port from 0 to 65535")
    return int(text)


if __name__ == "__main__":
    sys.exit(run_command(main))
