"""Running any operation by name, with what its kind asks for: a read at once, a change through `act()`."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from nicegui import ui

from ...kernel.errors import MoothillError
from ..act import Act, act
from ..visit import Visit
from .panels import trouble

__all__ = ["MOST_ITEMS", "STREAM_SECONDS", "run_operation"]

MOST_ITEMS, STREAM_SECONDS = 50, 5.0


async def run_operation(
    visit: Visit,
    bound: Any,
    values: Mapping[str, Any],
    ask: Act,
    *,
    dry: bool,
    show: Callable[[Any], None],
    answer: ui.element,
) -> None:
    """Run it and show what came back, or what went wrong.

    Args:
        bound: the operation on this visit's Moot.
        values: JSON-ready arguments; the executor validates them as at any door.
        ask: for `act()`, when it changes something.
        dry: only the plan of a destroying operation.
        show: told the result.
        answer: where an error is shown.
    """
    operation = bound.operation
    try:
        if operation.kind == "stream":
            show(await _some(bound, values))
        elif dry:
            show(await bound.plan(**values))
        elif operation.effect == "read":
            show(await bound(**values))
        else:
            result = await act(visit, ask, bound, **values)
            if result is not None:
                show(operation.signature.dump(result))
    except MoothillError as error:
        answer.clear()
        with answer:
            trouble(error, f"{operation.name} was refused.")


async def _some(bound: Any, values: Mapping[str, Any]) -> list[Any]:
    """What a stream brings within a few seconds."""
    items: list[Any] = []
    stream = bound(**values)
    try:
        async with asyncio.timeout(STREAM_SECONDS):
            async for item in stream:
                items.append(item)
                if len(items) >= MOST_ITEMS:
                    break
    except TimeoutError:
        pass
    finally:
        await stream.aclose()
    return items
