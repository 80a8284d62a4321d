"""The event loop of processes that serve or measure: uvloop where it is installed, else asyncio's own."""

import asyncio
from collections.abc import Coroutine
from importlib import import_module
from typing import Any, TypeVar

__all__ = ["run_quickly"]

T = TypeVar("T")


def run_quickly(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end, as `asyncio.run` does."""
    try:
        loop_factory = import_module("uvloop").new_event_loop
    except ModuleNotFoundError:
        loop_factory = None
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        return runner.run(main)
