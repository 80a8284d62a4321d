"""The look: one stylesheet, one script, and the words of the four states.

Two neutral tones (paper and ink), one accent (heather), four state colours; each state also has a
shape of its own, so that nothing is said by colour alone.
"""

import hashlib
from importlib import resources
from typing import Literal

__all__ = ["ASSETS", "ASSETS_VERSION", "State", "head", "state_of"]

State = Literal["good", "busy", "warn", "bad", "off"]

ASSETS = {
    "theme.css": "text/css; charset=utf-8",
    "console.js": "text/javascript; charset=utf-8",
    "mark.svg": "image/svg+xml",
}


def _version() -> str:
    folder = resources.files(__package__) / "assets"
    return hashlib.sha256(b"".join((folder / name).read_bytes() for name in ASSETS)).hexdigest()[:12]


ASSETS_VERSION = _version()


def head(root: str) -> str:
    """What every page has in its head; `root` is the path under which the console lives."""
    return (
        f'<link rel="stylesheet" href="{root}/assets/theme.css?v={ASSETS_VERSION}">'
        f'<script src="{root}/assets/console.js?v={ASSETS_VERSION}" defer></script>'
    )


_STATES: dict[str, State] = {
    # agents
    "active": "good",
    "idle": "off",
    "deactivated": "off",
    "busy": "busy",
    "offline": "off",
    "maintenance": "warn",
    "suspended": "bad",
    # tasks, and attempts at them
    "pending": "off",
    "assigned": "busy",
    "in progress": "busy",
    "waits for an answer": "warn",
    "blocked": "warn",
    "to be retried": "warn",
    "dead letter": "bad",
    "timed out": "bad",
    # jobs and everything that runs
    "waiting": "off",
    "paused": "warn",
    "running": "busy",
    "completed": "good",
    "failed": "bad",
    "cancelled": "off",
    # keys
    "live": "good",
    "expiring": "warn",
    "expired": "off",
    "revoked": "bad",
    "resting": "warn",
    # how far a tenant opens itself
    "strict": "off",
    "shared": "busy",
    "federated": "warn",
    # guards
    "stands": "good",
    "fallen": "bad",
    # releases
    "released": "good",
    "charged": "busy",
    "lost": "bad",
    # retention
    "on time": "good",
    "late": "warn",
    # archives, and reports of erasures
    "settled": "good",
    "written": "busy",
    "verified": "good",
    "unverified": "warn",
    "broken": "bad",
    # data keys, and how values are stored
    "retired": "off",
    "sealed": "good",
    "under way": "busy",
    "open": "off",
    # limits
    "used up": "bad",
    "nearly": "warn",
    "room": "good",
    # evidence
    "validated": "good",
    "unvalidated": "warn",
    "rejected": "bad",
}


def state_of(word: str) -> State:
    """The state that a status word stands for; an unknown word is neutral."""
    return _STATES.get(word, "off")
