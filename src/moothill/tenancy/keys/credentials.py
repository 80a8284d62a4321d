"""Both gates behind one: keys of our own, and tokens of an issuer where the settings name one."""

from dataclasses import dataclass
from typing import Protocol

from ...kernel.context import Principal
from .gate import KeyGate

__all__ = ["Credentials"]


class _Tokens(Protocol):
    def takes(self, secret: str) -> bool: ...

    async def authenticate(self, token: str) -> Principal: ...

    def forget(self) -> None: ...


@dataclass(slots=True)
class Credentials:
    """Authenticates whatever a caller shows as its bearer's secret."""

    keys: KeyGate
    tokens: _Tokens | None = None

    async def authenticate(self, secret: str | None) -> Principal:
        """The principal of a key or of a token.

        Raises:
            Unauthenticated: neither of them.
            TenantSuspended: its tenant rests.
            IssuerUnavailable: a token cannot be checked now.
        """
        if secret and self.tokens is not None and self.tokens.takes(secret):
            return await self.tokens.authenticate(secret)
        return await self.keys.authenticate(secret)

    def forget(self) -> None:
        """Trust no cached answer any more."""
        self.keys.forget()
        if self.tokens is not None:
            self.tokens.forget()

    async def flush(self) -> None:
        """Write the last uses collected so far."""
        await self.keys.flush()
