"""Who is signed in at the console. Keys live here, in memory, and nowhere else.

The browser holds a random token; this process holds its digest and, behind it, one connection for
each key that was given. A restart signs everybody out.
"""

import hashlib
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

from ..kernel.context import Actor, Principal
from ..kernel.errors import Exhausted, Unauthenticated
from ..moot import Moot
from ..tenancy.keys.models import Identity

__all__ = ["CHANGE_SECONDS", "Session", "SessionStore", "SignedIn", "SignedOut", "View"]

IDLE_SECONDS = 8 * 3600.0
LIFETIME_SECONDS = 24 * 3600.0
CHANGE_SECONDS = 30 * 60.0
MOST_SESSIONS = 1_000
MOST_KEYS = 10


class SignedOut(Unauthenticated):
    """You are signed out of the console; sign in again."""


class TooManySessions(Exhausted):
    """Too many people are signed in at this console; try again later."""


class TooManyKeys(Exhausted):
    """This session holds as many keys as it may; sign out of one first."""


@dataclass(frozen=True, slots=True, eq=False)
class SignedIn:
    """A key in use: the connection that carries it, and who it is. The secret stays in the connection."""

    moot: Moot
    identity: Identity
    hint: str

    def principal(self, tenant: str) -> Principal:
        """What this key may do in a tenant, by the kernel's own rule."""
        who = self.identity
        return Principal(
            tenant=who.tenant,
            tenant_slug=tenant,
            actor=Actor(who.actor_kind, who.actor_id, who.actor_name),
            scopes=frozenset(who.scopes),
        )

    @property
    def is_platform(self) -> bool:
        """Whether it may enter every tenant."""
        return self.principal("").may("platform:tenants")


@dataclass(frozen=True, slots=True)
class View:
    """A view as an agent, begun by a person with a reason; all tabs of it share its connection."""

    tenant: str
    agent: UUID
    name: str
    moot: Moot


@dataclass(slots=True)
class Session:
    """One browser, signed in with one or several keys.

    Attributes:
        digest: of the token that the browser holds.
        changes_until: until then this session may change things; it begins read-only.
        dark: colour scheme; None follows the system.
    """

    digest: bytes
    began: float
    seen: float
    clock: Callable[[], float]
    keys: list[SignedIn] = field(default_factory=list)
    views: dict[tuple[str, UUID], View] = field(default_factory=dict)
    changes_until: float = 0.0
    dark: bool | None = None
    is_open: bool = True
    on_close: list[Callable[[], None]] = field(default_factory=list)

    def key_for(self, tenant: str) -> SignedIn | None:
        """The key to use in a tenant: its own before one of the platform, the newest first."""
        newest = self.keys[::-1]
        own = [key for key in newest if tenant in (key.identity.tenant_slug, str(key.identity.tenant))]
        return next(iter(own or [key for key in newest if key.is_platform]), None)

    @property
    def home(self) -> str:
        """The tenant of the newest key."""
        if not self.keys:
            raise SignedOut()
        return self.keys[-1].identity.tenant_slug

    @property
    def may_change(self) -> bool:
        """Whether changes are switched on just now."""
        return self.is_open and self.clock() < self.changes_until

    @property
    def has_expired(self) -> bool:
        """Whether nobody has used it for too long, or it began too long ago."""
        now = self.clock()
        return now - self.seen >= IDLE_SECONDS or now - self.began >= LIFETIME_SECONDS

    def touch(self) -> None:
        """A person did something; what a page does by itself does not count."""
        self.seen = self.clock()

    def check(self) -> None:
        """Let a call of an open page pass.

        Raises:
            SignedOut: the session has ended; it ends here when its time is over.
        """
        if self.is_open and self.has_expired:
            self.close()
        if not self.is_open:
            raise SignedOut()

    def allow_changes(self) -> None:
        """Switch changes on for half an hour."""
        self.changes_until = self.clock() + CHANGE_SECONDS

    def forbid_changes(self) -> None:
        """Back to read-only."""
        self.changes_until = 0.0

    def drop(self, key: SignedIn) -> None:
        """Forget one key, for example after its revocation."""
        self.keys = [kept for kept in self.keys if kept is not key]

    def close(self) -> None:
        """Forget everything and tell the open pages."""
        self.is_open = False
        self.keys.clear()
        self.views.clear()
        listeners, self.on_close = self.on_close, []
        for tell in listeners:
            tell()


class SessionStore:
    """The sessions of this process."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._sessions: dict[bytes, Session] = {}

    def find(self, token: str | None) -> Session | None:
        """The session of a token; None when there is none, or it rested too long."""
        if not token:
            return None
        session = self._sessions.get(_digest(token))
        if session is None or self._expire(session):
            return None
        session.touch()
        return session

    def sign_in(self, token: str | None, key: SignedIn) -> str:
        """Add a key to the session of a token, or begin one; the token is new either way.

        Raises:
            TooManyKeys, TooManySessions: a limit is reached.
        """
        now = self._clock()
        session = self.find(token)
        if session is None:
            self._make_room()
            session = Session(b"", now, now, self._clock)
        elif len(session.keys) >= MOST_KEYS:
            raise TooManyKeys()
        else:
            # A token that existed before signing in may be known to somebody else.
            del self._sessions[session.digest]
        session.keys = [kept for kept in session.keys if not _same(kept, key)] + [key]
        fresh = secrets.token_urlsafe(32)
        session.digest = _digest(fresh)
        self._sessions[session.digest] = session
        return fresh

    def sign_out(self, token: str | None) -> None:
        """End the session of a token."""
        session = self.find(token)
        if session is not None:
            del self._sessions[session.digest]
            session.close()

    def close(self) -> None:
        """End all sessions."""
        for session in self._sessions.values():
            session.close()
        self._sessions.clear()

    def _make_room(self) -> None:
        if len(self._sessions) >= MOST_SESSIONS:
            for session in list(self._sessions.values()):
                self._expire(session)
        if len(self._sessions) >= MOST_SESSIONS:
            raise TooManySessions()

    def _expire(self, session: Session) -> bool:
        if session.is_open and not session.has_expired:
            return False
        self._sessions.pop(session.digest, None)
        session.close()
        return True


def _same(one: SignedIn, other: SignedIn) -> bool:
    return one.identity.actor_id == other.identity.actor_id and one.identity.tenant == other.identity.tenant


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
