"""Reading server-sent events, as the HTML standard's event streams define them."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

__all__ = ["ServerEvent", "read_events"]


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """One event: its name (`message` where none is given), its data, and the last id given so far."""

    name: str
    data: bytes
    id: str | None


async def read_events(chunks: AsyncIterator[bytes]) -> AsyncIterator[ServerEvent]:
    """The events in a stream of bytes; comments and unknown fields are passed over."""
    name, data, last = "message", list[bytes](), None
    async for line in _lines(chunks):
        if not line:
            if data:
                yield ServerEvent(name, b"\n".join(data), last)
            name, data = "message", []
            continue
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            data.append(value)
        elif field == b"event":
            name = value.decode()
        elif field == b"id" and b"\0" not in value:
            last = value.decode()


async def _lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    # Lines end in LF or CR LF here. Splitting text would also break at U+2028, which JSON may hold.
    rest = b""
    async for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line.removesuffix(b"\r")
