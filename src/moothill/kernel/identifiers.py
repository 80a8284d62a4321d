"""UUIDv7 identifiers (RFC 9562, section 5.7): a millisecond clock, then randomness.

Row ids are made by the database or the executor, never by callers; an id tells its month,
so it finds its partition. PostgreSQL 18 has uuidv7(); 16 and 17 take these.
"""

import os
import time
from datetime import UTC, datetime
from typing import NewType
from uuid import UUID

TenantId = NewType("TenantId", UUID)
ActorId = NewType("ActorId", UUID)

NOBODY = UUID(int=0)

_last_millisecond = 0
_sequence = 0


def uuid7() -> UUID:
    """A new UUIDv7, rising within this process (12 bits of sequence in `rand_a`)."""
    global _last_millisecond, _sequence
    millisecond = time.time_ns() // 1_000_000
    if millisecond > _last_millisecond:
        _last_millisecond, _sequence = millisecond, int.from_bytes(os.urandom(2), "big") & 0x7FF
    else:
        _sequence += 1
        if _sequence > 0xFFF:
            _last_millisecond, _sequence = _last_millisecond + 1, 0
    random_tail = int.from_bytes(os.urandom(8), "big") & ((1 << 62) - 1)
    return UUID(int=_last_millisecond << 80 | 0x7 << 76 | _sequence << 64 | 0b10 << 62 | random_tail)


def uuid7_floor(moment: datetime) -> UUID:
    """The smallest UUIDv7 of a moment: the bound of a month's partition."""
    return UUID(int=int(moment.timestamp() * 1000) << 80 | 0x7 << 76 | 0b10 << 62)


def uuid7_time(identifier: UUID) -> datetime:
    """When an UUIDv7 was made, to the millisecond."""
    return datetime.fromtimestamp((identifier.int >> 80) / 1000, tz=UTC)
