"""The arithmetic of retention: which policies a class allows, and digests of lines."""

import hashlib
from collections.abc import Iterable, Sequence

from .models import Action, ClassRow, RetentionPolicy

__all__ = ["LineDigest", "policy_of", "row_digest", "why_refused"]


def policy_of(row: ClassRow) -> RetentionPolicy:
    """What holds for a class, as callers see it."""
    return RetentionPolicy(
        data_class=row.name,
        table=row.relation,
        action=row.action,
        days=row.days,
        source="tenant" if row.is_own else "default",
        least_days=row.least_days,
        actions=row.actions,
        purpose=row.purpose,
        oldest_due=row.oldest,
        overdue_seconds=row.overdue,
    )


def why_refused(row: ClassRow, action: Action, days: int | None) -> str:
    """Why a class does not allow a policy; empty when it does."""
    if action not in row.actions:
        return f"{row.name} allows {' or '.join(row.actions)}, not {action}. {row.purpose}"
    if action == "retain":
        return "" if days is None else "What is retained has no number of days; leave it out."
    if days is None:
        return f"Say after how many days to {action} {row.name}."
    if days < row.least_days:
        return f"{row.name} stays for at least {row.least_days} days; {days} are too few."
    return ""


class LineDigest:
    """Rows and SHA-256 of lines that come one after the other, each ended by a line feed."""

    def __init__(self) -> None:
        self.rows = 0
        self._hash = hashlib.sha256()

    def add(self, lines: Iterable[str]) -> None:
        """Take some more lines."""
        for line in lines:
            self.rows += 1
            self._hash.update(line.encode() + b"\n")

    @property
    def sha256(self) -> str:
        """The digest of what came so far."""
        return self._hash.hexdigest()


def row_digest(lines: Sequence[str]) -> str:
    """SHA-256 of lines with line feeds between them, as the database calculates it of the rows that it deletes."""
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
