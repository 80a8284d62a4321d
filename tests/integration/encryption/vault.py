"""A key service on loopback, as a process of its own would be: what is needed of a Vault's transit engine.

Built from the published description of that engine, not from our client: versions of a key, ciphertexts that name
theirs, associated data, and answers of 400 for what it cannot authenticate.
"""

import asyncio
import base64
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

TOKEN = "a token of the tests"


@dataclass
class Vault:
    """Keys and what was asked of them."""

    keys: dict[str, list[bytes]] = field(default_factory=lambda: {"moothill": [os.urandom(32)]})
    asked: list[str] = field(default_factory=list)
    slow: bool = False
    address: str = ""

    def rotate(self, key: str = "moothill") -> None:
        self.keys[key].append(os.urandom(32))

    def answer(self, method: str, path: str, token: str, body: dict[str, str]) -> tuple[int, dict[str, Any]]:
        self.asked.append(path)
        if token != TOKEN:
            return 403, {"errors": ["permission denied"]}
        verb, _, name = path.removeprefix("/v1/transit/").partition("/")
        versions = self.keys.get(name)
        if versions is None:
            return 404, {"errors": []}
        aad = base64.b64decode(body.get("associated_data", ""))
        if (method, verb) == ("GET", "keys"):
            return 200, {"data": {"latest_version": len(versions), "type": "aes256-gcm96"}}
        if (method, verb) == ("POST", "encrypt"):
            nonce = os.urandom(12)
            made = nonce + AESGCM(versions[-1]).encrypt(nonce, base64.b64decode(body["plaintext"]), aad)
            return 200, {"data": {"ciphertext": f"vault:v{len(versions)}:{base64.b64encode(made).decode()}"}}
        if (method, verb) == ("POST", "decrypt"):
            _, version, text = body["ciphertext"].split(":")
            raw = base64.b64decode(text)
            try:
                plain = AESGCM(versions[int(version[1:]) - 1]).decrypt(raw[:12], raw[12:], aad)
            except (InvalidTag, IndexError):
                return 400, {"errors": ["cipher: message authentication failed"]}
            return 200, {"data": {"plaintext": base64.b64encode(plain).decode()}}
        return 405, {"errors": ["unsupported operation"]}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while request := (await reader.readline()).decode().split():
                headers: dict[str, str] = {}
                while line := (await reader.readline()).decode().strip():
                    name, _, value = line.partition(":")
                    headers[name.lower()] = value.strip()
                text = await reader.readexactly(int(headers.get("content-length", "0")))
                if self.slow:
                    await asyncio.Event().wait()
                status, said = self.answer(
                    request[0], request[1], headers.get("x-vault-token", ""), json.loads(text or b"{}")
                )
                payload = json.dumps(said).encode()
                writer.write(f"HTTP/1.1 {status} x\r\ncontent-length: {len(payload)}\r\n\r\n".encode() + payload)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def running(vault: Vault, port: int = 0) -> AsyncIterator[Vault]:
    """It answers as long as the block runs."""
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(vault.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", port)
    vault.address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield vault
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
