"""What limits cost: a read under limits of calls, and a write under quotas, beside the same without any."""

from dataclasses import replace
from itertools import count
from uuid import UUID

from ..kernel.local import LocalExecutor
from ..moot import Moot
from .report import Row, interleaved, median_milliseconds

__all__ = ["run"]

TARGET = 1.05
_KEY = UUID(int=1)
_PLENTY = 1_000_000_000
_RATES = (("calls", _PLENTY), ("calls:agents", _PLENTY), ("calls:search", _PLENTY))
_SLUGS = ("bench-free", "bench-bound")
_QUOTAS = ("agents", "capabilities", "events")


async def run(moot: Moot, *, rounds: int, each: int) -> list[Row]:
    """Measure on the connection of `moot`, in which an agent `bench` is registered."""
    assert isinstance(moot.executor, LocalExecutor)
    runtime = moot.executor.runtime
    free = replace(moot.executor.principal, key=_KEY)
    bound = replace(free, rates=_RATES)
    moots = {name: Moot(LocalExecutor(runtime, who)) for name, who in (("free", free), ("bound", bound))}
    reads = await interleaved(
        {name: lambda one=one: one.agents.get(agent="bench") for name, one in moots.items()},  # type: ignore[misc]
        rounds=rounds,
        each=each,
        what="a read under limits of calls",
    )
    tenants: dict[str, Moot] = {}
    for slug in _SLUGS:
        await moot.tenants.create(slug=slug, name=slug)
        tenants[slug] = moot.tenant(slug)
    for name in _QUOTAS:
        await tenants["bench-bound"].limits.set(name=name, amount=_PLENTY)
    number = count()
    writes = await interleaved(
        {
            slug: lambda one=one: one.agents.register(name=f"Bench {next(number)}")  # type: ignore[misc]
            for slug, one in tenants.items()
        },
        rounds=rounds,
        each=max(1, each // 10),
        what="a write under quotas",
    )
    read, plain = median_milliseconds(reads["bound"]), median_milliseconds(reads["free"])
    write, unbound = median_milliseconds(writes["bench-bound"]), median_milliseconds(writes["bench-free"])
    return [
        Row("agents.get, limited", "cost", read / plain, "x", TARGET, peer="the same without a limit", peer_value=1.0),
        Row("agents.get, limited", "median", read, "ms", peer="the same without a limit", peer_value=plain),
        Row("agents.register, quotas", "median", write, "ms", peer="the same without a quota", peer_value=unbound),
    ]
