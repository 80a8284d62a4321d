"""A console on the shared database, and users without and with a browser.

`user` walks through pages in this process, without a browser; `browser_page` is a page of Chromium
at a console in a process of its own.
"""

import asyncio
import inspect
import os
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import pytest_asyncio
from nicegui import Client, core
from nicegui.testing import User, user_simulation
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from moothill.console.app import Console
from moothill.database.embedded import EmbeddedServer
from moothill.moot import Moot
from tests.conftest import DATABASE

HOSTILE = "<script>window.hit=1</script><img src=x onerror=window.hit=1> [a](javascript:alert(1)) {{7*7}} ${7*7}"

# A key-encryption key for tenants that encrypt: of no use anywhere else.
KEKS = "console:" + "Q" * 43 + "="

SignIn = Callable[..., Awaitable[User]]


async def key_of(moot: Moot, *scopes: str) -> str:
    """Secret of a new key in the tenant of a Moot."""
    issued = await moot.keys.create(name="somebody at the console", scopes=list(scopes))
    return issued.secret


@pytest_asyncio.fixture
async def console(platform: Moot) -> Console:
    """A console of its own."""
    return Console(platform)


@asynccontextmanager
async def simulated(console: Console) -> AsyncIterator[User]:
    """A user without a browser, at a console's site; not signed in."""
    async with user_simulation() as user:
        console.pages()
        site = console.site()
        site.mount("/", core.app)
        transport = httpx.ASGITransport(site, client=("192.0.2.1", 50000))
        async with httpx.AsyncClient(transport=transport, base_url="http://console") as client:
            user.http_client = client
            try:
                yield user
            finally:
                for page in Client.instances.values():
                    # Its cancellation is lost when a message comes at that moment, and is tried again after 2 s.
                    page.outbox.stop()
                console.sessions.close()
                console.listener.close()
                # The framework would unload the modules of our pages, and with them the registry.
                Client.page_routes.clear()


@pytest_asyncio.fixture
async def visitor(console: Console) -> AsyncIterator[User]:
    """A user at the console, not signed in."""
    async with simulated(console) as user:
        yield user


async def eventually(holds: Callable[[], Any]) -> None:
    """Wait until something holds, at most five seconds."""
    async with asyncio.timeout(5):
        while True:
            found = holds()
            if await found if inspect.isawaitable(found) else found:
                return
            await asyncio.sleep(0.02)


async def sign_in(user: User, secret: str) -> httpx.Response:
    """Give a key at the login form."""
    return await user.http_client.post("/login", data={"key": secret, "next": "/"})


@pytest_asyncio.fixture
async def operator(visitor: User, moot: Moot) -> User:
    """A user signed in with everything in a fresh tenant."""
    response = await sign_in(visitor, await key_of(moot, "*"))
    assert response.status_code == 303, response.text
    return visitor


@pytest_asyncio.fixture
async def tenant(moot: Moot) -> str:
    """Slug of the fresh tenant."""
    return (await moot.keys.current()).tenant_slug


# ------------------------------------------------------------------------------------------ browser


def chromium() -> str:
    """The browser's binary; tests skip without one."""
    found = os.environ.get("MOOTHILL_CHROMIUM") or shutil.which("chromium") or "/usr/bin/chromium"
    if not Path(found).exists():
        pytest.skip("there is no Chromium here; MOOTHILL_CHROMIUM names one")
    return found


@pytest.fixture(scope="session")
def console_address(server: EmbeddedServer, platform: Moot, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Address of a console in a process of its own, on the shared database."""
    chromium()
    command = [
        sys.executable,
        "-m",
        "moothill.console",
        "--dsn-env",
        "CONSOLE_DSN",
        "--port",
        "0",
        "--until-stdin-ends",
    ]
    log = tmp_path_factory.mktemp("console") / "log"
    with log.open("wb") as errors:
        process = subprocess.Popen(
            command,
            env={**os.environ, "CONSOLE_DSN": server.dsn("app", DATABASE), "MOOTHILL_KEKS": KEKS},
            cwd=log.parent,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
        )
        assert process.stdout is not None
        assert process.stdin is not None
        address = process.stdout.readline().decode().strip()
        assert address.startswith("http://"), log.read_text()
        yield address
        process.stdin.close()
        assert process.wait(20) == 0, log.read_text()
        process.stdout.close()


ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip


@pytest_asyncio.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Chromium, once for all journeys."""
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=chromium(), args=list(ARGUMENTS))
        yield started
        await started.close()


@pytest_asyncio.fixture(scope="session")
async def profile(browser: Browser) -> AsyncIterator[BrowserContext]:
    """Cookies and caches: what the pages are made of is fetched and compiled for the first journey only."""
    opened = await browser.new_context(viewport={"width": 1280, "height": 800}, color_scheme="light")
    yield opened
    await opened.close()


@dataclass
class Journey:
    """A page that watches itself: what it asked for, and what went wrong in it."""

    page: Page
    address: str
    tenant: str
    asked: list[str] = field(default_factory=list)
    trouble: list[str] = field(default_factory=list)

    async def go(self, path: str) -> None:
        """Open a screen of the tenant."""
        await self.page.goto(f"{self.address}/t/{self.tenant}{path}")
        await self.ready()

    async def sign_in(self, secret: str) -> None:
        """Give one more key; what it enters first is shown."""
        await self.page.goto(f"{self.address}/login")
        await self.page.fill("#key", secret)
        await self.page.click("button[type=submit]")
        await self.ready()

    async def ready(self) -> None:
        """Wait until the screen is built."""
        await expect(self.page.locator(".screen:not(.loading) > *").first).to_be_visible()

    def check(self) -> None:
        """Nothing left the origin, and nothing went wrong."""
        own = urlsplit(self.address).netloc
        foreign = [
            url for url in self.asked if urlsplit(url).scheme not in ("data", "blob") and urlsplit(url).netloc != own
        ]
        assert not foreign
        assert not self.trouble


@pytest_asyncio.fixture
async def journey(profile: BrowserContext, console_address: str, moot: Moot, tenant: str) -> AsyncIterator[Journey]:
    """An operator with everything in a fresh tenant, signed in; checked at the end."""
    page = await profile.new_page()
    found = Journey(page, console_address, tenant)
    page.on("request", lambda request: found.asked.append(request.url))
    page.on("websocket", lambda socket: found.asked.append(re.sub("^ws", "http", socket.url)))
    page.on("pageerror", lambda error: found.trouble.append(str(error)))
    page.on("console", lambda said: found.trouble.append(said.text) if said.type == "error" else None)
    await found.sign_in(await key_of(moot, "*"))
    try:
        yield found
        found.check()
    finally:
        # The next one starts as a stranger.
        for opened in profile.pages:
            await opened.close()
        await profile.clear_cookies()
