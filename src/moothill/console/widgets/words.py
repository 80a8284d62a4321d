"""Words for people: times, numbers, sizes. Pure functions; the moment is given."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from ...kernel.actors import ActorKind

__all__ = ["acting", "ago", "clock", "count", "counted", "moment", "number", "percent", "short_id", "span"]

_STEPS = ((86_400 * 365, "y"), (86_400 * 30, "mo"), (86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


_KINDS: Mapping[ActorKind, str] = {
    "operator": "operator",
    "agent": "agent",
    "service": "service account",
    "system": "system",
}


def acting(name: str, kind: ActorKind) -> str:
    """An actor for people: `importer (service account)`."""
    return f"{name} ({_KINDS[kind]})" if name else _KINDS[kind]


def now() -> datetime:
    """The moment against which times are shown."""
    return datetime.now(UTC)


def span(length: timedelta) -> str:
    """A length of time in its largest unit: `3 min`."""
    seconds = abs(int(length.total_seconds()))
    for size, unit in _STEPS:
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return "0 s"


def ago(then: datetime | None, at: datetime | None = None) -> str:
    """How long ago, or in how long: `3 min ago`, `in 2 h`; `never` without a time."""
    if then is None:
        return "never"
    passed = (at or now()) - then
    if abs(passed) < timedelta(seconds=2):
        return "now"
    return f"{span(passed)} ago" if passed > timedelta(0) else f"in {span(passed)}"


def moment(then: datetime | None) -> str:
    """A time in full, UTC."""
    return "never" if then is None else f"{then.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def clock(then: datetime) -> str:
    """The time of day, UTC."""
    return f"{then.astimezone(UTC):%H:%M:%S}"


def number(value: int | float | Decimal) -> str:
    """A number with thin spaces between thousands and no more digits than it needs."""
    if isinstance(value, Decimal):
        value = float(value)
    text = f"{value:,}" if isinstance(value, int) else f"{value:,.2f}".rstrip("0").rstrip(".")
    return text.replace(",", "\N{NARROW NO-BREAK SPACE}")


def count(value: int, *, capped: bool = False) -> str:
    """A count; `+` where counting stopped at a limit."""
    return number(value) + ("+" if capped else "")


def counted(value: int, one: str, many: str = "") -> str:
    """`1 agent`, `3 agents`."""
    return f"{number(value)} {one if value == 1 else many or one + 's'}"


def percent(share: Decimal | float | None) -> str:
    """A share of 0 to 1 as a percentage."""
    return "" if share is None else f"{float(share) * 100:.0f} %"


def short_id(value: Any) -> str:
    """The last group of a UUID, which differs between neighbours; the whole is one click away."""
    return str(value).rpartition("-")[2]
