"""Erasure of a tenant: no table has its id any more, and the report, which alone does, can be checked offline."""

import asyncio
import os
import sys
from pathlib import Path
from uuid import UUID

import orjson
import pytest

from moothill.kernel.errors import NotFound
from moothill.kernel.service import Executor
from moothill.tenancy.erasure import destroys, hooks, verify_report
from moothill.tenancy.erasure.errors import ErasesItself, ReportAltered
from tests.command_line import exit_code
from tests.integration.isolation.catalog import read_catalog
from tests.integration.isolation.societies import Society, fill_up, settle, unfilled
from tests.integration.retention.house import House
from tests.integration.retention.scanning import holding

ROOT = Path(__file__).resolve().parents[3]
# The one place that still has the id, and says so.
TOMBSTONE = {"erasure_reports"}


async def two(house: House) -> tuple[Society, Society]:
    """Two societies with rows in every table."""
    societies = await settle(house.moot, "basalt"), await settle(house.moot, "cobalt")
    await fill_up(house.admin, *societies)
    catalog = await read_catalog(house.admin)
    # Whether vectors lie in a shared partition or in one of their own does not matter here.
    empty = await unfilled(house.admin, catalog, *societies)
    assert [each for each in empty if not each.startswith("embedding_m")] == []
    return societies


async def fingerprint(house: House, society: Society) -> dict[str, int]:
    return dict(await house.ask("select * from moothill.jobs_erasure_count(%s, null)", society.id))


async def test_no_table_has_the_id_of_an_erased_tenant(house: House) -> None:
    """The tables are found in the catalog; whatever a later migration adds is searched too."""
    ours, theirs = await two(house)
    others = await fingerprint(house, ours)
    assert (await theirs.moot.sharing.agents(owner=theirs.partner)).items
    for hold in (await theirs.moot.retention.holds()).items:
        await theirs.moot.retention.release(hold=hold.id)
    before = await holding(house, str(theirs.id))
    assert len(before) > 25
    plan = await house.moot.erasure.erase_tenant.plan(tenant=theirs.slug, reason="x")
    assert plan.counts["agents"] > 2
    assert await holding(house, str(theirs.id)) == before
    destroyed: list[UUID] = []

    @destroys("test_keys")
    async def _destroy(executor: Executor, tenant: UUID) -> int:
        destroyed.append(tenant)
        return 3

    job = await house.moot.erasure.erase_tenant(tenant=theirs.slug, reason="contract ended")
    try:
        ended = await house.done(house.moot, job)
    finally:
        hooks._DESTROYERS.pop("test_keys")
    assert ended.state == "completed", ended.message
    assert set(await holding(house, str(theirs.id))) == TOMBSTONE
    assert await holding(house, theirs.slug) == {}
    partitions = "select count(*) from pg_description where description like %s"
    assert await house.ask(partitions, f"%{theirs.id}%") == [(0,)]
    # A worker does other things too: it copies vectors that were noted, and removes what is old.
    busy = ("events", "embedding_moves", "idempotency_keys", "access_log", "search_sessions")
    kept = {name: rows for name, rows in others.items() if name not in busy}
    assert kept.items() <= (await fingerprint(house, ours)).items()
    old = "mt.uuid7_time(id) > now() - interval '1 year'"
    assert await house.count("events", ours.id, old) >= others["events"] - 2
    assert destroyed == [theirs.id]
    with pytest.raises(NotFound):
        await house.moot.tenant(theirs.slug).agents.list()
    (last, *_) = (await house.moot.erasure.all_reports()).items
    body = verify_report((await house.moot.erasure.report(number=last.number)).model_dump())
    assert (body["kind"], body["tenant"], body["agent"]) == ("tenant", str(theirs.id), None)
    assert (body["reason"], body["destroyed"]) == ("contract ended", {"test_keys": 3})
    assert body["removed"]["events"] > 10
    # The partner keeps what it wrote down about it, without its id.
    partner = house.moot.tenant(theirs.partner)
    granted = (await partner.events.list(kind="sharing.granted")).items
    assert {event.payload["grantee"] for event in granted} == {"00000000-0000-0000-0000-000000000000"}
    assert (await partner.sharing.accesses()).items
    assert (await partner.sharing.grants(ended=True)).items


async def test_nobody_erases_the_tenant_that_it_is_in(house: House) -> None:
    with pytest.raises(ErasesItself):
        await house.moot.erasure.erase_tenant.plan(tenant="default", reason="x")


async def test_an_erasure_that_is_killed_goes_on_where_it_was(house: House) -> None:
    """kill -9 in the middle: the next worker ends it, and there is one report."""
    moot, tenant = await house.tenant("acme")
    await moot.agents.register(agent_id="ada", name="Ada")
    await house.old_events(tenant, 10, 30_000)
    job = await house.moot.erasure.erase_tenant(tenant="acme", reason="x")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.integration.retention.eraser", house.dsn, str(house.archive)),
        cwd=ROOT,
        env={**os.environ},
    )
    async with asyncio.timeout(60):
        while not 0 < await house.count("events", tenant) < 25_000:  # noqa: ASYNC110  # another process works
            await asyncio.sleep(0.005)
        process.kill()
        await process.wait()
    left = await house.count("events", tenant)
    assert 0 < left < 25_000
    ended = await house.done(house.moot, job)
    assert ended.state == "completed", ended.message
    assert set(await holding(house, str(tenant))) == TOMBSTONE
    (report,) = (await house.moot.erasure.reports()).items
    # Counted once, though it was begun twice.
    assert (await house.moot.erasure.report(number=report.number)).report["removed"]["events"] >= 30_000


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d["report"].update(reason="another"),
        lambda d: d["report"]["removed"].update(agents=0),
        lambda d: d["report"].pop("previous"),
        lambda d: d["signature"].update(value=d["signature"]["value"][:-8] + "AAAAAA=="),
        lambda d: d["signature"].update(public_key="A" * 43 + "="),
        lambda d: d.pop("signature"),
        lambda d: d.update(more=1),
    ],
)
async def test_an_altered_report_is_refused(house: House, tmp_path: Path, change: object) -> None:
    """By the function, and by the command, whose exit status says so."""
    moot, _ = await house.tenant("acme")
    await moot.agents.register(agent_id="ada", name="Ada")
    ended = await house.done(moot, await moot.erasure.erase_agent(agent="ada", reason="x"))
    assert ended.state == "completed", ended.message
    report = await moot.erasure.report(number=1)
    key = (await moot.erasure.public_key()).public_key
    file = tmp_path / "report.json"
    file.write_bytes(orjson.dumps(report.model_dump(mode="json"), option=orjson.OPT_INDENT_2))
    assert await verified(file, "--public-key", key) == 0
    assert await verified(file, "--public-key", "B" * 43 + "=") != 0
    altered = report.model_dump(mode="json")
    assert callable(change)
    change(altered)
    with pytest.raises(ReportAltered):
        verify_report(altered)
    file.write_bytes(orjson.dumps(altered))
    assert await verified(file) != 0


async def verified(file: Path, *more: str) -> int:
    """Exit status of `moothill retention verify`."""
    return await asyncio.to_thread(exit_code, ["retention", "verify", str(file), *more])
