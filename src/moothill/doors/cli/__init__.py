"""The command line: every operation as `moothill GROUP VERB`, and the commands of an operator."""

from .app import main

__all__ = ["main"]
