"""Crypto-shredding: the keys go, and with them every sealed value, in every copy of the database that is to come."""

from ...kernel.context import context
from .models import KeysShredded
from .statements import sql, unit

__all__ = ["shred"]


async def shred() -> int:
    """Destroy the data keys of the current tenant, in the current transaction; there is no way back.

    Reads of what they sealed show `{"$shredded": true}` or `[shredded]` from then on; cards of agents, arguments of
    jobs and kept results answer `value_shredded`. The tenant does not encrypt any more, so whoever empties it can go on
    writing. What other processes hold in memory lives as long as `encryption_cache` says; backups and the write-ahead
    log have the wrapped keys until they are gone too.

    Returns:
        How many keys were destroyed.
    """
    numbers = await sql.shred()
    if numbers:
        transaction = unit()
        transaction.adopt(transaction.keys.shredded())
        context().record(KeysShredded(keys=sorted(numbers)), subject=context().tenant)
    return len(numbers)
