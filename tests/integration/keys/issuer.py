"""An issuer of tokens on loopback: discovery, keys that rotate, and every way in which it may misbehave."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

__all__ = ["AUDIENCE", "Issuer", "issuing"]

AUDIENCE = "https://moothill.example"
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


def _public(algorithm: str, key: Any) -> dict[str, Any]:
    if isinstance(key, rsa.RSAPrivateKey):
        made = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    elif isinstance(key, ec.EllipticCurvePrivateKey):
        made = ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    else:
        made = OKPAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return {**made, "alg": algorithm, "use": "sig"}


@dataclass
class Issuer:
    """The issuer; its attributes change what it answers.

    Attributes:
        keys: (kid, algorithm) -> private key.
        asked: paths in the order in which they were asked for.
        status: of each answer.
        redirect: where it sends who asks for keys, if anywhere.
        padding: bytes that the answer with keys is longer by.
    """

    url: str = ""
    keys: dict[tuple[str, str], PrivateKey] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    status: int = 200
    redirect: str | None = None
    padding: int = 0
    named: str | None = None
    jwks_uri: str | None = None
    hangs: bool = False

    def rotate(self, kid: str, *algorithms: str) -> None:
        """Publish new keys under an id, and these only."""
        self.keys = {(kid, each): self.make(each) for each in algorithms or ("RS256", "ES256", "EdDSA")}

    @staticmethod
    def make(algorithm: str, bits: int = 2048) -> PrivateKey:
        """A private key for an algorithm."""
        if algorithm.startswith("ES"):
            return ec.generate_private_key(ec.SECP256R1())
        if algorithm == "EdDSA":
            return ed25519.Ed25519PrivateKey.generate()
        return rsa.generate_private_key(public_exponent=65537, key_size=bits)

    def published(self) -> list[dict[str, Any]]:
        """The public keys."""
        return [{**_public(algorithm, key), "kid": f"{kid}-{algorithm}"} for (kid, algorithm), key in self.keys.items()]

    def token(self, algorithm: str = "RS256", *, key: Any = None, headers: Any = None, **claims: Any) -> str:
        """A signed token; a claim that is given as None is left out."""
        kid, _ = next(pair for pair in self.keys if key is not None or pair[1] == algorithm)
        now = int(time.time())
        said = {
            "iss": self.url,
            "aud": AUDIENCE,
            "sub": "ada@example.com",
            "name": "Ada",
            "iat": now,
            "exp": now + 300,
            "scope": "openid agents:read",
            **claims,
        }
        return jwt.encode(
            {name: value for name, value in said.items() if value is not None},
            self.keys[kid, algorithm] if key is None else key,
            algorithm=algorithm,
            headers={"kid": f"{kid}-{algorithm}", **(headers or {})},
        )

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request."""
        try:
            path = (await reader.readuntil(b"\r\n\r\n")).split()[1].decode()
            self.asked.append(path)
            if self.hangs:
                await reader.read()
                return
            document: Any = {"issuer": self.named or self.url, "jwks_uri": self.jwks_uri or f"{self.url}/keys"}
            status, extra = self.status, ""
            if path == "/keys":
                document = {"keys": self.published(), "padding": "x" * self.padding}
                if self.redirect:
                    status, extra = 302, f"Location: {self.redirect}\r\n"
            elif path != "/.well-known/openid-configuration":
                status = 404
            body = json.dumps(document).encode()
            head = f"HTTP/1.1 {status} Said\r\n{extra}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
            writer.write(head.encode() + b"Connection: close\r\n\r\n" + body)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def issuing() -> AsyncIterator[Issuer]:
    """An issuer with keys for three algorithms."""
    issuer = Issuer()
    issuer.rotate("first")
    server = await asyncio.start_server(issuer.answer, "127.0.0.1", 0)
    issuer.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield issuer
    finally:
        server.close()
