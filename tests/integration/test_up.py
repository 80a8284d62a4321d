"""The process of `moothill up`: started on an empty folder, drained, killed, started again."""

import asyncio
import json
import os
import signal
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import psycopg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

import moothill
from moothill.database.embedded import EmbeddedServer
from moothill.doors.up import Announcement, serve
from moothill.doors.up.console import ConsoleProcess
from moothill.doors.up.process import _listen
from moothill.kernel.errors import Conflict, Invalid
from moothill.kernel.settings import Settings
from moothill.moot import Moot
from tests.conftest import DATABASE, DatabaseFactory, scratch

PATIENCE = 60
PROGRAM = """
import json
import sys
from pathlib import Path
from moothill.doors.up import Announcement, run
from moothill.kernel.settings import Settings

def announce(told: Announcement) -> None:
    said = {"url": told.url, "console": told.console, "key": told.key, "text": str(told), "warnings": told.warnings}
    print(json.dumps(said), flush=True)

options = json.loads(sys.argv[1])
for name in ("folder", "certfile", "keyfile"):
    if name in options:
        options[name] = Path(options[name])
options = {"console": False, **options}
run(Settings.load({}, worker=options.pop("worker", False)), port=0, announce=announce, **options)
"""


@dataclass
class Process:
    """A running server and what it announced."""

    process: asyncio.subprocess.Process
    told: dict[str, Any]

    @property
    def url(self) -> str:
        url: str = self.told["url"]
        return url

    async def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and wait for the end."""
        self.process.send_signal(number)
        async with asyncio.timeout(PATIENCE):
            return await self.process.wait()


@asynccontextmanager
async def up(**options: Any) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, json.dumps(options), stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            line = await process.stdout.readline()
        assert line, f"ended with {await process.wait()}"
        yield Process(process, json.loads(line))
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.fixture
def folder() -> Iterator[Path]:
    """A new folder that PostgreSQL's own account may enter when we are root; pytest closes its own to others."""
    with TemporaryDirectory(prefix="moothill-up-", dir=scratch()) as made:
        Path(made).chmod(0o755)
        yield Path(made) / "society"


async def test_an_empty_folder_becomes_a_server_whose_work_outlives_kill_and_restart(folder: Path) -> None:
    async with up(folder=str(folder)) as first:
        key = first.told["key"]
        file = folder / "operator.key"
        assert file.read_text().strip() == key
        assert file.stat().st_mode & 0o777 == 0o600
        assert key in first.told["text"]
        async with moothill.connect(first.url, key=key) as moot:
            await moot.tenants.create(slug="acme", name="Acme")
            issued = await moot.tenant("acme").keys.create(name="kept", scopes=["agents:read"])
        await first.end(signal.SIGKILL)
    async with up(folder=str(folder)) as second:
        assert second.told["key"] is None
        assert key not in second.told["text"]
        assert str(file) in second.told["text"]
        async with moothill.connect(second.url, key=key) as moot:
            assert issued.key.id in {each.id for each in (await moot.tenant("acme").keys.list()).items}
            own = next(each for each in (await moot.keys.list()).items if each.name == "first operator")
            await moot.keys.revoke(key=own.id)
        assert await second.end() == 0
    assert not (folder / "postgres" / "postmaster.pid").exists()
    async with up(folder=str(folder)) as third:
        assert "is of no use" in third.told["warnings"][0]
        assert await third.end(signal.SIGINT) == 0


async def test_a_signal_lets_running_calls_end(server: EmbeddedServer, platform: Moot, moot: Moot) -> None:
    tenant = (await moot.keys.current()).tenant_slug
    key = (await moot.keys.create(name="k", scopes=["*", "platform:*"])).secret
    async with up(dsn=server.dsn("app", DATABASE)) as process:
        async with (
            httpx.AsyncClient(base_url=process.url, headers={"Authorization": f"Bearer {key}"}, timeout=30) as client,
            await psycopg.AsyncConnection.connect(server.dsn("admin", DATABASE)) as admin,
        ):
            await admin.execute("select from moothill.tenants where slug = %s for update", [tenant])
            call = asyncio.create_task(client.post("/v1/tenants/suspend", json={"tenant": tenant}))
            await waiting(server)
            process.process.send_signal(signal.SIGTERM)
            await refused(process.url)
            assert not call.done()
            await admin.rollback()
            assert (await call).status_code == 200
        async with asyncio.timeout(PATIENCE):
            assert await process.process.wait() == 0
    assert (await platform.tenants.get(tenant=tenant)).status == "suspended"


async def waiting(server: EmbeddedServer) -> None:
    """Until somebody waits for the locked tenant."""
    async with (
        asyncio.timeout(PATIENCE),
        await psycopg.AsyncConnection.connect(server.dsn("admin", DATABASE), autocommit=True) as admin,
    ):
        while True:
            cursor = await admin.execute(
                "select 1 from pg_stat_activity where wait_event_type = 'Lock' and query like '%gate_tenant_status%'"
            )
            if await cursor.fetchone():
                return
            await asyncio.sleep(0.01)


async def refused(url: str) -> None:
    """Until the address takes no new connections."""
    host, _, port = url.removeprefix("http://").partition(":")
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                _, writer = await asyncio.open_connection(host, int(port))
            except OSError:
                return
            writer.close()
            await asyncio.sleep(0.01)


async def test_a_database_of_ones_own_gets_its_first_key_once(
    server: EmbeddedServer, fresh_database: DatabaseFactory
) -> None:
    dsn = server.dsn("app", await fresh_database())
    async with up(dsn=dsn, worker=True) as first:
        assert first.told["key"].startswith("moot_")
        async with httpx.AsyncClient(base_url=first.url) as client:
            assert (await client.get("/health/ready")).status_code == 200
            mcp = await client.post("/mcp", json={})
            assert mcp.status_code == 401
        assert await first.end() == 0
    async with up(dsn=dsn) as second:
        assert second.told["key"] is None


async def test_the_demo_brings_a_society_and_the_console_comes_and_goes_with_the_server(
    server: EmbeddedServer, fresh_database: DatabaseFactory
) -> None:
    async with up(dsn=server.dsn("app", await fresh_database()), console=True, demo=True) as process:
        async with moothill.connect(process.url, key=process.told["key"]) as moot:
            assert len((await moot.agents.list(limit=100)).items) > 10
            assert (await moot.tenant("acme").agents.list(limit=1)).items
        console = process.told["console"]
        async with httpx.AsyncClient(follow_redirects=True, timeout=30) as client:
            assert "Moothill" in (await client.get(console, headers={"Accept": "text/html"})).text
        assert await process.end() == 0
        await refused(console)


async def test_a_console_that_cannot_start_is_left_out(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        console = ConsoleProcess("http://127.0.0.1:1", "", host="127.0.0.1", port=taken.getsockname()[1])
        async with asyncio.timeout(PATIENCE):
            assert await console.start() is None
        await console.stop()


async def test_tls_is_spoken_with_the_certificate_given(server: EmbeddedServer, tmp_path: Path, moot: Moot) -> None:
    certfile, keyfile = certificate(tmp_path)
    key = (await moot.keys.create(name="k", scopes=["*"])).secret
    async with up(dsn=server.dsn("app", DATABASE), certfile=str(certfile), keyfile=str(keyfile)) as process:
        assert process.url.startswith("https://127.0.0.1:")
        trusted = ssl.create_default_context(cafile=str(certfile))
        async with httpx.AsyncClient(base_url=process.url, verify=trusted) as client:
            answer = await client.get("/v1/keys/current", headers={"Authorization": f"Bearer {key}"})
        assert answer.status_code == 200
        assert "strict-transport-security" in answer.headers
        async with moothill.connect(process.url, key=key) as far:
            with pytest.raises(moothill.Unavailable, match="CERTIFICATE"):
                await far.keys.current()
        assert await process.end() == 0


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for this machine, signed by itself."""
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "moothill test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(private, hashes.SHA256())
    )
    certfile, keyfile = folder / "certificate", folder / "key"
    certfile.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    keyfile.write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return certfile, keyfile


async def test_an_address_that_is_taken_or_no_ones_is_told_before_anything_starts(folder: Path) -> None:
    settings = Settings.load({})
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(Conflict, match="another port"):
            await serve(settings, port=taken.getsockname()[1], folder=folder)
    with pytest.raises(Invalid, match="Cannot listen"):
        await serve(settings, host="192.0.2.1", port=0, folder=folder)
    assert not folder.exists()


def test_answers_leave_at_once_without_uvloop() -> None:
    """asyncio switches Nagle's algorithm off only for sockets that name their protocol."""
    with _listen("127.0.0.1", 0) as listener:
        assert listener.proto == socket.IPPROTO_TCP


async def test_a_certificate_that_cannot_be_used_is_told(
    server: EmbeddedServer, settings: Settings, tmp_path: Path
) -> None:
    with pytest.raises(Invalid, match="certificate"):
        await serve(
            settings, port=0, dsn=server.dsn("app", DATABASE), certfile=tmp_path / "none", keyfile=tmp_path / "none"
        )


def test_an_announcement_says_what_a_person_needs() -> None:
    server, console = "http://127.0.0.1:8080", "http://127.0.0.1:8081"
    told = str(Announcement(server, console, "moot_x", Path("operator.key"), Path(), ("Beware.",)))
    for part in (f"{server}/docs", console, "moot_x", "operator.key", "Beware."):
        assert part in told
    assert os.linesep in told
