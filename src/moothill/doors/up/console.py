"""The console as a process of its own, looked after by the server's process."""

import asyncio
import contextlib
import importlib.util
import logging
import os
import sys

__all__ = ["ConsoleProcess"]

_log = logging.getLogger("moothill.up")

START_SECONDS, STOP_SECONDS, PAUSE_SECONDS = 20.0, 10.0, 2.0
_DSN_VARIABLE = "MOOTHILL_CONSOLE_DSN"


class ConsoleProcess:
    """Starts the console, starts it again should it fail, and stops it.

    It talks to the server by URL like any client. Where the server speaks TLS, with a certificate
    for another name than this machine's perhaps, it goes to the database instead.

    Args:
        url: address of the server.
        dsn: of the database.
        host: address to listen at.
        port: 0 for any that is free.
    """

    def __init__(self, url: str, dsn: str, *, host: str, port: int, tls: tuple[str, str] | None = None) -> None:
        self._environment = {**os.environ, _DSN_VARIABLE: dsn} if tls else dict(os.environ)
        target = ["--dsn-env", _DSN_VARIABLE] if tls else ["--url", url]
        certificate = ["--certfile", tls[0], "--keyfile", tls[1]] if tls else []
        self._command = [
            *(sys.executable, "-m", "moothill.console", *target, "--host", host, "--port", str(port)),
            *(*certificate, "--until-stdin-ends"),
        ]
        self._address: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self._keeping: asyncio.Task[None] | None = None

    @staticmethod
    def is_installed() -> bool:
        """Whether the extra for the console is there."""
        return importlib.util.find_spec("nicegui") is not None

    async def start(self) -> str | None:
        """Start it and wait until it answers; its address, or None when it does not come up."""
        self._keeping = asyncio.create_task(self._keep(), name="console")
        try:
            async with asyncio.timeout(START_SECONDS):
                return await asyncio.shield(self._address)
        except TimeoutError:
            _log.warning("console_late", extra={"seconds": START_SECONDS})
            return None

    async def stop(self) -> None:
        """Stop it."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)

    async def _keep(self) -> None:
        while True:
            await self._run()
            if not self._address.done():
                # It never answered: a port that is taken stays taken.
                self._address.set_result(None)
                return
            await asyncio.sleep(PAUSE_SECONDS)

    async def _run(self) -> None:
        # A session of its own: Ctrl-C in the terminal is for us, who stop it in order.
        process = await asyncio.create_subprocess_exec(
            *self._command,
            env=self._environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            async for line in process.stdout:
                if not self._address.done():
                    self._address.set_result(line.decode().strip())
            _log.warning("console_ended", extra={"exit_code": await process.wait()})
        finally:
            process.stdin.close()
            if process.returncode is None:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(STOP_SECONDS):
                        await process.wait()
            if process.returncode is None:
                process.kill()
                await process.wait()
