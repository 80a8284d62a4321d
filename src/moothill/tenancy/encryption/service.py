"""Operations on the encryption of a tenant's content."""

import asyncio
import logging
from typing import Annotated
from uuid import UUID

from pydantic import Field

from ...database.sealing.errors import TenantKeysChanged
from ...database.sealing.fields import SEALED
from ...database.sealing.rewriting import Batch, count, last_key, rewrite
from ...database.sealing.ring import NewKey
from ...database.sealing.wrapping import Wrapped
from ...kernel import Page, Service, context, job, operation
from ...kernel.errors import MoothillError
from ...kernel.events import EventPayload
from ...kernel.operation import Plan, Step
from ...kernel.paging import Cursor, decode_cursor
from ...kernel.retrying import retried
from ..privacy.releases import transaction
from . import rules
from .errors import EncryptionBusy, EncryptionOff
from .models import (
    EncryptionCompleted,
    EncryptionDisabled,
    EncryptionEnabled,
    EncryptionRotated,
    EncryptionStatus,
    FieldStatus,
    Goal,
    KeysRewrapped,
    Rewrapping,
)
from .statements import database_of, sql, unit

__all__ = ["Encryption"]

_log = logging.getLogger("moothill.encryption")
_TABLES = tuple(SEALED)
# Between two looks whether transactions of before have ended.
_PAUSE = 0.1


class Encryption(Service, group="encryption"):
    """Encryption of a tenant's content: keys of its own, wrapped by one that the database never sees."""

    @operation(effect="read", scope="encryption:read", audience="operator", example={})
    async def status(self) -> EncryptionStatus:
        """Whether this tenant encrypts, by which keys, and how its values are stored."""
        keys = await sql.keys()
        active = next((key for key in keys if key.state == "active"), None)
        fields = [
            FieldStatus(field=each.field, active=each.active, other=each.other, plain=each.plain, is_all=each.is_all)
            for table in SEALED.values()
            for each in await count(unit(), table)
        ]
        return EncryptionStatus(
            enabled=active is not None,
            key=active.number if active else None,
            kek=active.kek if active else None,
            newest_kek=context().prepared,
            keys=keys,
            fields=fields,
        )

    @status.prepare
    async def _prepare_status(self) -> str | None:
        try:
            return await database_of(self.executor).ring.current()
        except MoothillError:
            return None

    @job(effect="write", scope="encryption:write", example={})
    async def enable(self) -> Step:
        """Encrypt this tenant's content: at once what is written, then step by step what is there.

        A tenant that encrypts already keeps its key; what is not sealed yet is sealed.
        """
        return await self._step("enable")

    @enable.prepare
    async def _prepare_enable(self) -> NewKey | None:
        return await self._prepare(is_new=True)

    @job(effect="write", scope="encryption:write", example={})
    async def rotate(self) -> Step:
        """Encrypt by a new data key: at once what is written, then step by step what is there."""
        return await self._step("rotate")

    @rotate.prepare
    async def _prepare_rotate(self) -> NewKey | None:
        return await self._prepare(is_new=True)

    @job(effect="destroy", scope="encryption:write", example={})
    async def disable(self) -> Step:
        """Stop encrypting this tenant's content, and open step by step what is sealed; then the keys are destroyed.

        They are kept, retired, while something sealed is left: what cannot be read, or rows in archives. Where an
        earlier run was cancelled, this goes on with it.
        """
        return await self._step("disable")

    @disable.prepare
    async def _prepare_disable(self) -> NewKey | None:
        return await self._prepare(is_new=False)

    @disable.plan
    async def _plan_disable(self) -> Plan:
        counts = {
            each.field: each.active + each.other for table in SEALED.values() for each in await count(unit(), table)
        }
        active = await sql.active()
        if active is None and not any(counts.values()):
            return Plan(summary="This tenant does not encrypt; nothing would change.", counts=counts)
        return Plan(
            summary="What is sealed would lie open in the database, and the keys that sealed it would be destroyed "
            "(5,000 rows a field counted).",
            counts=counts,
        )

    @operation(effect="write", scope="platform:encryption", audience="operator", mode="none", example={"limit": 10})
    async def rewrap(
        self,
        *,
        limit: Annotated[int, Field(ge=1, le=500, description="Most data keys to look at in this call.")] = 100,
        cursor: Cursor = None,
    ) -> Rewrapping:
        """Put data keys of all tenants under the newest key-encryption key, so that older ones can go.

        Content is not touched, and nothing rests meanwhile. Go on with `next` until there is none.
        """
        query = ["encryption.rewrap"]
        tenant, number = decode_cursor(query, cursor, parts=(UUID, int)) or (UUID(int=0), 0)
        ring = database_of(self.executor).ring
        newest = await ring.current()
        async with transaction(self.executor):
            stale = await sql.stale(kek=newest, after_tenant=tenant, after_number=number, size=limit + 1)
        page = Page.cut(stale, limit=limit, query=query, key=lambda key: [key.tenant_id, key.number])
        failed = 0
        fresh: list[tuple[UUID, int, bytes, Wrapped]] = []
        for key in page.items:
            try:
                wrapped = await ring.rewrapped(key.tenant_id, key.number, Wrapped(key.kek, key.wrapped))
            except MoothillError as error:
                failed += 1
                told = {"tenant": str(key.tenant_id), "key": key.number, "kek": key.kek, "code": error.code}
                _log.warning("key_not_rewrapped", extra=told)
            else:
                fresh.append((key.tenant_id, key.number, key.wrapped, wrapped))

        async def store() -> int:
            count = 0
            async with transaction(self.executor) as call:
                for owner, number, was, wrapped in fresh:
                    becomes, kek = wrapped.content, wrapped.kek
                    count += await sql.rewrap(owner=owner, number=number, was=was, becomes=becomes, kek=kek)
                if count:
                    call.record(KeysRewrapped(kek=newest, keys=count))
            return count

        done = await retried(store)
        return Rewrapping(kek=newest, rewrapped=done, failed=failed, next=page.next)

    async def _prepare(self, *, is_new: bool) -> NewKey | None:
        """Before a step: at the first one, make and wrap a key; while others end, wait a little."""
        call = context()
        if call.cursor is not None:
            if call.cursor.get("waits"):
                await asyncio.sleep(_PAUSE)
            return None
        ring = database_of(self.executor).ring
        ring.forget(call.tenant)
        known = (await ring.of(call.tenant)).known
        return await ring.new(call.tenant, max(known, default=0) + 1) if is_new else None

    async def _step(self, goal: Goal) -> Step:
        call, now = context(), unit()
        active = await sql.active()
        if call.cursor is None:
            number = await _switched(goal, active)
            return Step(done=0, cursor=rules.beginning(number, _TABLES) | {"waits": True}, message="keys changed")
        cursor = dict(call.cursor)
        if active != cursor["number"]:
            return Step(done=cursor["done"], message="Another change of the keys came after this one; it goes on.")
        if now.keys.active != active:
            database_of(self.executor).ring.forget(call.tenant)
            raise TenantKeysChanged(retry=True)
        if cursor.get("waits"):
            # Whoever looked at the keys before they changed may not have written yet.
            if "barrier" not in cursor:
                cursor["barrier"] = await sql.barrier()
            elif await sql.passed(barrier=cursor["barrier"]):
                cursor["waits"] = False
            return Step(done=0, cursor=cursor, message="waits for transactions of before")
        table = SEALED[cursor["table"]]
        # Others go on writing, and a table that grows as fast as this goes would never be through.
        cursor["until"] = cursor["until"] or await last_key(now, table)
        batch = await rewrite(now, table, cursor["after"], cursor["until"]) if cursor["until"] else Batch(None)
        done, unreadable = cursor["done"] + batch.changed, cursor["unreadable"] + batch.unreadable
        following = rules.advanced(cursor, _TABLES, batch.after, batch.changed, batch.unreadable)
        if following is None and goal == "disable" and not unreadable:
            # The keys go only after a look that found nothing: a mistake here would cost what they sealed.
            following = rules.again(cursor, _TABLES, done)
        if following is None:
            cleared = sorted(await sql.clear()) if goal == "disable" and not unreadable else []
            call.record(
                EncryptionCompleted(goal=goal, rewritten=done, unreadable=unreadable, destroyed=cleared),
                subject=call.tenant,
            )
        return Step(done=done, cursor=following, message=f"{unreadable} values cannot be read" if unreadable else "")


async def _switched(goal: Goal, active: int | None) -> int | None:
    """Change the active key, in this transaction; its number, or None when there is none from now on.

    Raises:
        EncryptionOff: there is no key to rotate or to retire.
        EncryptionBusy: somebody else changed it meanwhile.
    """
    now, new = unit(), context().prepared
    if goal == "enable" and active is not None:
        return active
    if goal == "disable" and active is None and await sql.kept():
        return None
    if goal != "enable":
        if active is None:
            raise EncryptionOff()
        if await sql.retire(number=active) is None:
            raise EncryptionBusy()
    if goal == "disable":
        now.adopt(now.keys.following(None))
        return _told(EncryptionDisabled(before=active or 0), None)
    assert isinstance(new, NewKey)
    if await sql.begin(number=new.number, wrapped=new.wrapped.content, kek=new.wrapped.kek) is None:
        raise EncryptionBusy()
    now.adopt(now.keys.following(new.key))
    kek = new.wrapped.kek
    if active is None:
        return _told(EncryptionEnabled(key=new.number, kek=kek), new.number)
    return _told(EncryptionRotated(key=new.number, before=active, kek=kek), new.number)


def _told(event: EventPayload, number: int | None) -> int | None:
    context().record(event, subject=context().tenant)
    return number
