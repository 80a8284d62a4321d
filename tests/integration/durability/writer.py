"""Writes numbered things and says which are acknowledged, until it is killed: `python -m ...writer ARGUMENTS`.

Each lane writes one thing after the other. Every write has its own idempotency key, so that whoever takes
over from a writer that was killed may repeat the write that was on its way.
"""

import asyncio
import json
import sys
from dataclasses import dataclass
from typing import Any

import moothill
from moothill.kernel.errors import MoothillError, Unavailable
from moothill.kernel.settings import Settings
from moothill.moot import Moot

__all__ = ["CAPABILITY", "counter"]

CAPABILITY = "Counting"
_PAUSE = 0.05


def counter(lane: int) -> str:
    """Key of the agent whose demonstrations a lane counts."""
    return f"counter-{lane}"


@dataclass(slots=True)
class Goal:
    """How far each lane is, and how far all are to go."""

    places: list[int]
    until: int

    def come_to_an_end(self) -> None:
        """Stop where the lane that is farthest is; told by a line on standard input."""
        if sys.stdin.readline():
            self.until = max(self.places) + 1
        else:
            asyncio.get_running_loop().remove_reader(sys.stdin.fileno())


async def write(moot: Moot, lane: int, number: int) -> None:
    """Write number `number` of a lane: even ones count up, odd ones are agents of their own."""
    key = f"write-{lane}-{number}"
    if number % 2:
        await moot.agents.register.options(idempotency_key=key)(
            agent_id=key, name=f"Number {number} of lane {lane}", capabilities=[CAPABILITY], tags=["written"]
        )
    else:
        # Done twice it would count twice.
        await moot.capabilities.demonstrate.options(idempotency_key=key)(capability=CAPABILITY, agent=counter(lane))


async def run_lane(moot: Moot, lane: int, goal: Goal) -> None:
    """Write what a lane has yet to write; a server that is away is waited for by whoever called."""
    while goal.places[lane] < goal.until:
        await write(moot, lane, goal.places[lane])
        print(lane, goal.places[lane], flush=True)
        goal.places[lane] += 1


async def run(target: str, key: str | None, goal: Goal) -> None:
    """Write all lanes to their end, through as many connections as it takes."""
    settings = Settings.load({}, key=key, worker=False, pool_max=8, connect_timeout="2s")
    while min(goal.places) < goal.until:
        try:
            async with moothill.connect(target, settings=settings) as moot:
                if max(goal.places) == 0:
                    await _prepare(moot, len(goal.places))
                lanes = (run_lane(moot, lane, goal) for lane in range(len(goal.places)))
                for outcome in await asyncio.gather(*lanes, return_exceptions=True):
                    if isinstance(outcome, BaseException):
                        raise outcome
        except MoothillError as error:
            if not isinstance(error, Unavailable):
                raise
            print("away", error.code, flush=True)
            await asyncio.sleep(_PAUSE)
    print("done", flush=True)


async def _prepare(moot: Moot, lanes: int) -> None:
    for lane in range(lanes):
        await moot.agents.register.options(idempotency_key=counter(lane))(
            agent_id=counter(lane), name=f"Counter {lane}", capabilities=[CAPABILITY]
        )


async def main(arguments: dict[str, Any]) -> None:
    goal = Goal(arguments["places"], arguments["until"])
    print("here", flush=True)
    if arguments.get("waits"):
        sys.stdin.readline()
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), goal.come_to_an_end)
    await run(arguments["target"], arguments.get("key"), goal)


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
