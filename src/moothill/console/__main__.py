"""`python -m moothill.console`: the console as a process of its own."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from ..kernel.errors import MoothillError


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until told to stop; the exit code is that of an error's kind."""
    parser = argparse.ArgumentParser(prog="python -m moothill.console", description="The web console of Moothill.")
    parser.add_argument("--url", default=os.environ.get("MOOTHILL_URL"), help="address of a running server")
    parser.add_argument(
        "--dsn-env", metavar="NAME", help="instead: environment variable with the DSN of a database (role moothill_app)"
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at")
    parser.add_argument("--port", type=int, default=8081, help="port to listen at; 0: any that is free")
    parser.add_argument("--certfile", type=Path, help="certificate chain, for TLS")
    parser.add_argument("--keyfile", type=Path, help="its private key")
    parser.add_argument("--root-path", default="", help="path under which a proxy shows the console")
    parser.add_argument("--until-stdin-ends", action="store_true", help="stop when standard input is closed")
    given = parser.parse_args(arguments)
    # A DSN may hold a password, and a command line can be read by everybody on the machine.
    target = os.environ.get(given.dsn_env) if given.dsn_env else given.url
    if not target:
        parser.error("name a server with --url, or a database with --dsn-env")
    from .server import run

    try:
        run(
            target,
            host=given.host,
            port=given.port,
            certfile=given.certfile,
            keyfile=given.keyfile,
            root_path=given.root_path,
            until_stdin_ends=given.until_stdin_ends,
            announce=lambda address: print(address, flush=True),
        )
    except MoothillError as error:
        print(f"moothill console: {error.message}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
