"""Export: everything of a tenant, of one moment, and nothing of anybody else."""

import asyncio
import hashlib
import json
import os
import resource
import sys
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from moothill.kernel.errors import Forbidden, Internal
from moothill.moot import Moot
from moothill.tenancy.retention.models import ExportPiece, TableDigest
from moothill.tenancy.retention.packing import write_export
from tests.integration.isolation.societies import fill_up, settle
from tests.integration.retention.house import House

ROOT = Path(__file__).resolve().parents[3]


async def exported(moot: Moot) -> tuple[dict[str, list[dict[str, Any]]], dict[str, Any]]:
    """All rows by table, and the manifest."""
    rows: dict[str, list[dict[str, Any]]] = {}
    manifest: dict[str, Any] = {}
    async for piece in moot.retention.export():
        assert len(piece.lines) <= 1_000
        rows.setdefault(piece.table, []).extend(json.loads(line) for line in piece.lines)
        if piece.manifest is not None:
            manifest = {name: each.model_dump() for name, each in piece.manifest.items()}
    rows.pop("", None)
    return rows, manifest


async def test_every_table_is_in_it_and_nothing_of_another_tenant(house: House) -> None:
    """Tables are found in the catalog; A17, A22: a hostile neighbour with the same keys gives nothing away."""
    ours, theirs = await settle(house.moot, "basalt"), await settle(house.moot, "cobalt")
    await fill_up(house.admin, ours, theirs)
    counted = dict(await house.ask("select * from moothill.jobs_erasure_count(%s, null)", ours.id))
    catalog = await house.ask(
        "select c.relname::text from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id' "
        "where c.relnamespace = 'moothill'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition"
    )
    rows, manifest = await exported(ours.moot)
    # That it was asked for is in the log, and in the export.
    counted["events"] += 1
    assert set(manifest) == {row[0] for row in catalog} | {"tenants"}
    assert {name: each["rows"] for name, each in manifest.items()} == counted
    assert {name: len(each) for name, each in rows.items()} == {name: n for name, n in counted.items() if n}
    text = json.dumps(rows)
    assert ours.marker in text
    assert theirs.marker not in text
    assert str(theirs.id) not in text
    assert ours.secret not in text
    digests = await house.ask("select encode(digest, 'hex') from moothill.api_keys where tenant_id = %s", ours.id)
    assert [each for (each,) in digests if each in text] == []
    stranger = ours.moot.with_key((await ours.moot.keys.create(name="reader", scopes=["agents:read"])).secret)
    with pytest.raises(Forbidden):
        await anext(stranger.retention.export())


async def test_it_shows_one_moment(house: House) -> None:
    """Repeatable read: what is written meanwhile is in none of its tables."""
    moot, tenant = await house.tenant("acme")
    await moot.agents.register(agent_id="ada", name="Ada")
    await house.old_events(tenant, 1, 3_000)
    pieces = moot.retention.export()
    first = await anext(pieces)
    await moot.agents.register(agent_id="late", name="Late", tags=["late"])
    await house.ask("delete from moothill.agent_skills")
    lines = [*first.lines]
    manifest = None
    async for piece in pieces:
        lines += piece.lines
        manifest = piece.manifest or manifest
    assert manifest is not None
    assert manifest["agents"].rows == 1
    assert not any('"late"' in line for line in lines)
    assert len(lines) == sum(each.rows for each in manifest.values()) == first.total


async def test_a_file_of_the_command_line_holds_what_its_manifest_says(house: House, tmp_path: Path) -> None:
    moot, tenant = await house.tenant("acme")
    await moot.agents.register(agent_id="ada", name="Ada Ångström", tags=["law"])
    await house.old_events(tenant, 1, 5_000)
    out = tmp_path / "acme.zip"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "moothill", "--dsn", house.dsn, "-t", "acme", "retention", "export", "--out", str(out)),
        cwd=ROOT,
        env={**os.environ, "MOOTHILL_WORKER": "false"},
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0
    assert b" rows of " in said
    with zipfile.ZipFile(out) as archive:
        manifest = json.loads(archive.read("manifest.json"))
        assert manifest["format"] == "moothill-export/1"
        assert set(archive.namelist()) == {f"{name}.jsonl" for name in manifest["tables"]} | {"manifest.json"}
        for name, each in manifest["tables"].items():
            raw = archive.read(f"{name}.jsonl")
            assert (raw.count(b"\n"), hashlib.sha256(raw).hexdigest()) == (each["rows"], each["sha256"])
        assert manifest["tables"]["events"]["rows"] > 5_000
        assert "Ada Ångström" in archive.read("agents.jsonl").decode()
    assert out.stat().st_mode & 0o077 == 0
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".part"] == []


async def test_it_takes_the_same_memory_for_many_rows(house: House) -> None:
    """Bounded memory: the peak does not follow the number of rows."""
    moot, tenant = await house.tenant("acme")
    await house.old_events(tenant, 1, 2_000)
    async for _ in moot.retention.export():
        pass
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    await house.old_events(tenant, 1, 120_000)
    count = 0
    async for piece in moot.retention.export():
        count += len(piece.lines)
    assert count > 120_000
    # 120,000 events are about 60 MB as JSON.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 25_000


@pytest.mark.parametrize("name", ["../../etc/cron.d/x", "/x", "a/b", "A", "a.b", "x" * 64])
async def test_a_server_does_not_choose_where_a_file_of_the_archive_lies(tmp_path: Path, name: str) -> None:
    """Whoever unpacks it later may use a program that follows such a name."""

    async def pieces(*, in_manifest: bool) -> AsyncIterator[ExportPiece]:
        if in_manifest:
            empty = TableDigest(rows=0, sha256="")
            yield ExportPiece(table="", done=0, total=0, manifest={name: empty})
        else:
            yield ExportPiece(table=name, lines=["{}"], done=1, total=1)

    for in_manifest in (False, True):
        with pytest.raises(Internal, match="no name of a table"):
            await write_export(pieces(in_manifest=in_manifest), tmp_path / "x.zip", lambda *_: None)
    assert list(tmp_path.iterdir()) == []
