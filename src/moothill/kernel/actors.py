"""The one vocabulary of actors: what the log, the access log, the audit, keys, jobs and every door say."""

from typing import Literal

__all__ = ["ActorKind", "KeyHolderKind"]

ActorKind = Literal["operator", "agent", "service", "system"]
KeyHolderKind = Literal["operator", "agent", "service"]
