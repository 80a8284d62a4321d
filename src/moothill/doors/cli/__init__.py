"""The command line: every operation as `moothill GROUP VERB`, and the commands of an operator."""

import sys
from collections.abc import Sequence

from ... import __version__

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point: run a command and exit with the code of its error's kind."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given == ["--version"]:
        print(f"moothill {__version__}")
        return
    from .app import run

    run(given)
