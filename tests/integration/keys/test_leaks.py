"""When keys leaked: ending many at once, finding which they are, and telling nobody more than that."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from moothill.database.embedded import EmbeddedServer
from moothill.kernel.errors import Forbidden, Invalid, NotFound
from moothill.kernel.key_texts import is_whole
from moothill.kernel.settings import Settings
from moothill.moot import Moot
from moothill.session import open_database
from moothill.tenancy.keys.errors import KeyMistyped, KeyRevoked, WhichKeys
from moothill.tenancy.keys.models import Suspect
from tests.command_line import CommandLine
from tests.conftest import DATABASE
from tests.serving import eventually, serving


@asynccontextmanager
async def elsewhere(server: EmbeddedServer, settings: Settings) -> AsyncIterator[Moot]:
    """Another process's connection, which hears nudges."""
    moot = await open_database(server.dsn("app", DATABASE), settings, "default")
    try:
        yield moot
    finally:
        await moot.close()


async def is_refused(moot: Moot, secret: str) -> bool:
    try:
        await moot.with_key(secret).keys.current()
    except KeyRevoked:
        return True
    return False


async def test_everything_goes_but_the_key_in_use(moot: Moot, other: Moot) -> None:
    theirs = await other.keys.create(name="theirs", scopes=["*"])
    secrets = [(await moot.keys.create(name=f"k{n}", scopes=["*"])).secret for n in range(3)]
    caller = moot.with_key(secrets[0])
    plan = await caller.keys.revoke_all.plan(everything=True)
    assert plan.counts == {"keys": 2}
    assert "k1 (moot_" in plan.summary
    assert "k0" not in plan.summary
    assert not await is_refused(moot, secrets[1])
    ended = await caller.keys.revoke_all(everything=True)
    assert (ended.count, [key.name for key in ended.keys]) == (2, ["k1", "k2"])
    assert [await is_refused(moot, secret) for secret in secrets] == [False, True, True]
    assert not await is_refused(other, theirs.secret)
    (event,) = (await moot.events.list(kind="keys.revoked_all")).items
    assert len(event.subjects) == 2
    assert (await caller.keys.revoke_all(everything=True, mine_too=True)).count == 1
    assert await is_refused(moot, secrets[0])


async def test_keys_go_by_whose_they_are(moot: Moot) -> None:
    await moot.agents.register(name="Ada")
    await moot.accounts.register(name="importer", scopes=["agents:read"])
    made = {
        "agent": await moot.keys.create(name="a", scopes=["agents:read"], agent="ada"),
        "account": await moot.keys.create(name="s", scopes=["agents:read"], account="importer"),
        "operator": await moot.keys.create(name="o", scopes=["agents:read"]),
    }
    assert [key.name for key in (await moot.keys.revoke_all(agent="ada")).keys] == ["a"]
    assert [key.name for key in (await moot.keys.revoke_all(account="importer")).keys] == ["s"]
    assert not await is_refused(moot, made["operator"].secret)
    assert (await moot.keys.revoke_all(agent="ada")).count == 0


async def test_keys_go_by_when_they_were_made(moot: Moot) -> None:
    old = await moot.keys.create(name="old", scopes=["agents:read"])
    moment = old.key.created_at + timedelta(microseconds=1)
    new = await moot.keys.create(name="new", scopes=["agents:read"])
    assert (await moot.keys.revoke_all(made_before=moment)).count == 1
    assert (await is_refused(moot, old.secret), await is_refused(moot, new.secret)) == (True, False)


async def test_nothing_said_revokes_nothing(moot: Moot) -> None:
    issued = await moot.keys.create(name="k", scopes=["agents:read"])
    with pytest.raises(WhichKeys, match="everything") as refused:
        await moot.keys.revoke_all()
    assert refused.value.field == "everything"
    with pytest.raises(WhichKeys):
        await moot.keys.revoke_all.plan()
    with pytest.raises(WhichKeys, match="one of them"):
        await moot.keys.revoke_all(agent="a", account="b", everything=True)
    with pytest.raises(NotFound):
        await moot.keys.revoke_all(agent="nobody", everything=True)
    with pytest.raises(Invalid):
        await moot.keys.revoke_all(made_before=datetime(2026, 1, 1))  # noqa: DTZ001  # no zone: refused
    assert not await is_refused(moot, issued.secret)


async def test_other_servers_refuse_them_at_once(moot: Moot, server: EmbeddedServer, settings: Settings) -> None:
    """Not only when their trust in an answer has run out."""
    issued = await moot.keys.create(name="k", scopes=["agents:read"])
    async with elsewhere(server, settings) as far, serving(server.dsn("app", DATABASE), settings) as live:
        assert far.session is not None
        assert far.session.nudge is not None
        far.session.nudge.listen()
        await far.session.nudge.ready.wait()
        keys = far.session.key_gate().keys
        live.door.entrance.gate.keys.cache_seconds = keys.cache_seconds = 3600  # type: ignore[attr-defined]
        assert not await is_refused(far, issued.secret)
        async with live.client(issued.secret) as client:
            assert (await client.get("/v1/keys/current")).status_code == 200
            await moot.keys.revoke_all(everything=True)

            async def refused_there() -> bool:
                return (await client.get("/v1/keys/current")).status_code == 401 and await is_refused(
                    far, issued.secret
                )

            await eventually(refused_there)


async def test_a_whole_key_is_found_by_itself_and_a_beginning_by_what_is_left(moot: Moot, other: Moot) -> None:
    issued = await moot.keys.create(name="k", scopes=["agents:read"])
    theirs = await other.keys.create(name="theirs", scopes=["agents:read"])
    (found,) = await moot.keys.find_leaked(suspects=[Suspect(secret=issued.secret)])
    assert (found.id, found.by, found.is_live) == (issued.key.id, "secret", True)
    assert issued.secret not in found.model_dump_json()
    (found,) = await moot.keys.find_leaked(suspects=[Suspect(begins_with=issued.secret[:20])])
    assert (found.id, found.by) == (issued.key.id, "beginning")
    assert await moot.keys.find_leaked(suspects=[Suspect(secret=theirs.secret)]) == []
    assert await moot.keys.find_leaked(suspects=[Suspect(begins_with=theirs.secret[:11])]) == []
    assert await moot.keys.find_leaked(suspects=[Suspect(secret="no key at all")]) == []
    await moot.keys.revoke(key=issued.key.id)
    (found,) = await moot.keys.find_leaked(suspects=[Suspect(secret=issued.secret)])
    assert not found.is_live


async def test_looking_in_every_tenant_is_the_platforms(moot: Moot, other: Moot, platform: Moot) -> None:
    theirs = await other.keys.create(name="theirs", scopes=["agents:read"])
    (found,) = await platform.keys.find_leaked(suspects=[Suspect(secret=theirs.secret)], everywhere=True)
    assert found.tenant_slug == (await other.keys.current()).tenant_slug
    assert await platform.keys.find_leaked(suspects=[Suspect(begins_with=theirs.secret[:11])], everywhere=True) == []
    tenants = moot.with_key((await moot.keys.create(name="k", scopes=["*"])).secret)
    with pytest.raises(Forbidden, match="platform:keys"):
        await tenants.keys.find_leaked(suspects=[Suspect(secret=theirs.secret)], everywhere=True)


@pytest.mark.parametrize(
    "suspects",
    [
        [],
        [{}],
        [{"secret": "moot_x", "begins_with": "moot_abcdef"}],
        [{"begins_with": "moot"}],
        [{"secret": ""}],
        [{"secret": "x" * 201}],
        [{"secret": "moot_x"}] * 101,
        [{"secrets": "moot_leakedleaked"}],
    ],
)
async def test_what_cannot_be_looked_up_is_named_and_not_repeated(moot: Moot, suspects: Any) -> None:
    with pytest.raises(Invalid) as refused:
        await moot.keys.find_leaked(suspects=suspects)
    assert str(refused.value.field).startswith("suspects")
    assert "moot_leaked" not in str(refused.value.to_problem())


async def test_a_mistyped_key_is_refused_without_asking_the_database(moot: Moot) -> None:
    issued = await moot.keys.create(name="k", scopes=["agents:read"])
    assert is_whole(issued.secret)
    wrong = issued.secret[:-1] + ("a" if issued.secret[-1] != "a" else "b")
    with pytest.raises(KeyMistyped, match="not copied whole"):
        await moot.with_key(wrong).keys.current()


async def test_no_secret_reaches_the_log_or_the_audit(
    moot: Moot, server: EmbeddedServer, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """Issued, used, mistyped, looked up, revoked: over HTTP, with everything that is logged."""
    caplog.set_level(logging.DEBUG)
    issued = await moot.keys.create(name="k", scopes=["*"])
    async with serving(server.dsn("app", DATABASE), settings) as live, live.client(issued.secret) as client:
        made = await client.post("/v1/keys/create", json={"name": "second", "scopes": ["agents:read"]})
        second = made.json()["secret"]
        found = await client.post("/v1/keys/find_leaked", json={"suspects": [{"secret": second}]})
        assert found.json()[0]["by"] == "secret"
        # A search for a key is never a GET, whose address others log.
        assert (await client.get("/v1/keys/find_leaked")).status_code == 405
        bad = await client.post("/v1/keys/find_leaked", json={"suspects": [{"secret": second, "x": second}]})
        async with live.client(second[:-1]) as other:
            assert (await other.get("/v1/keys/current")).status_code == 401
        await client.post("/v1/keys/revoke_all", json={"everything": True})
    kept = [entry.model_dump_json() for entry in (await moot.audit.list()).items]
    told = caplog.text + "".join(str(record.__dict__) for record in caplog.records) + "".join(kept)
    told += found.text + bad.text
    for secret in (issued.secret, second):
        assert secret not in told
        assert secret[11:30] not in told


@pytest.fixture
def cli(server: EmbeddedServer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    return CommandLine(capsys, monkeypatch, "--dsn", server.dsn("app", DATABASE))


def test_a_scan_finds_keys_in_files_and_shows_none_whole(cli: CommandLine, tmp_path: Path) -> None:
    made = cli("keys", "create", "scanned", "--scopes", "agents:read", "--json").json
    secret, identifier = made["secret"], made["key"]["id"]
    inside = tmp_path / "deep" / "er"
    inside.mkdir(parents=True)
    (inside / "settings.env").write_text(f"A=1\nMOOTHILL_KEY={secret}\n", encoding="utf-16")
    (inside / "settings.txt").write_text(f"A=1\nMOOTHILL_KEY={secret}\nAGAIN={secret[:-1]}x\n")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "packed").write_text(secret)
    found = cli("scan", str(tmp_path), "--json")
    assert found.code == 3
    assert found.json == [
        {"path": str(inside / f"settings.{ending}"), "line": 2, "begins_with": secret[:11]} for ending in ("env", "txt")
    ]
    asked = cli("scan", str(tmp_path), "--ask")
    assert f"settings.txt:2: {secret[:11]}… scanned of default: works" in asked.out
    # A program says that it means it; what is only looked at goes on working.
    unsaid = cli("scan", str(tmp_path), "--revoke")
    assert (unsaid.code, "--yes" in unsaid.err) == (2, True)
    assert cli("scan", str(tmp_path), "--revoke", "--dry-run").out.count("works") == 2
    assert cli("scan", str(tmp_path), "--ask").out.count("works") == 2
    revoked = cli("scan", "--revoke", "--yes", stdin=f"x {secret} y {secret}".encode())
    assert revoked.code == 3
    assert revoked.out.count("revoked now") == 2
    assert cli("scan", str(tmp_path), "--ask").out.count("ended") == 2
    listed = cli("keys", "list", "--ended", "--limit", "1000", "--json").json["items"]
    assert next(key for key in listed if key["id"] == identifier)["revoked_at"] is not None
    for outcome in (found, asked, unsaid, revoked):
        assert secret not in outcome.out + outcome.err


async def test_a_scan_revokes_the_key_in_use_last_and_says_so(
    server: EmbeddedServer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ended the key that it worked with as it came to it, and left the others that had leaked with it alive."""
    async with serving(server.dsn("app", DATABASE), Settings.load({}, worker=False)) as live:
        own, other = await live.key(live.moot), await live.key(live.moot, "agents:read")
        monkeypatch.setenv("MOOTHILL_KEY", own)
        cli = CommandLine(capsys, monkeypatch, "--url", live.url)
        found = f"{own}\n{other}\n{own}".encode()
        seen = await asyncio.to_thread(cli, "scan", "--revoke", "--yes", stdin=found)
        assert seen.code == 3, seen.err
        assert seen.out.count("revoked now") == 3
        assert "key in use" in seen.err
        assert await is_refused(live.moot, own)
        assert await is_refused(live.moot, other)


def test_a_scan_that_finds_nothing_ends_well(cli: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("moot_factory moot_" + "A" * 49)
    nothing = cli("scan", str(tmp_path))
    assert (nothing.code, nothing.out) == (0, "")
    lost = cli("scan", str(tmp_path / "nowhere"), "--json")
    assert (lost.code, lost.problem["context"]["field"]) == (4, "paths")
