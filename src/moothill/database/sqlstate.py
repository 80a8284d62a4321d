"""From SQLSTATE to our errors. Neither SQLSTATE nor DETAIL leaves this package.

A query may declare one error per SQLSTATE; what it does not declare is translated here by class.
Constraint names play no part: a cluster does not report them.
"""

import logging

import psycopg

from ..kernel import errors
from .sealing.errors import TenantKeysChanged
from .wire import is_stale_plan

__all__ = ["KEYS_CHANGED", "SqlFailure", "from_psycopg", "translate"]

# What `quota_move` raises: the name of the quota, its amount, what is used, what was asked for, and seconds to wait.
QUOTA_STATE = "MQ001"
_THINGS = {"events": "events a day", "keys": "live keys"}
_ASK = "ask the platform's operator for more"
_WAYS_OUT = {
    "agents": f"deactivate agents that are not needed, or {_ASK}",
    "capabilities": f"remove capabilities that are not needed, or {_ASK}",
    "keys": f"revoke keys that are not needed, or {_ASK}",
    "events": f"wait until midnight UTC, or {_ASK}",
}

_log = logging.getLogger("moothill.database")
# Our own: a value is not sealed as its tenant's keys want it (`mt.seals`).
KEYS_CHANGED = "MT001"


class SqlFailure(Exception):
    """The server refused a statement."""

    def __init__(self, sqlstate: str, primary: str, *, stale: bool = False) -> None:
        super().__init__(primary)
        self.sqlstate = sqlstate
        self.primary = primary
        self.is_stale = stale


class StatementTimeout(errors.Unavailable):
    """The database needed longer than the deadline allows; nothing was changed."""


class SerialisationFailure(errors.Conflict):
    """Other work changed the same rows at the same time; try again."""


class SchemaChanged(errors.Conflict):
    """The schema of the database changed while this ran; nothing was changed, try again."""


class TransactionFailed(errors.Conflict):
    """An earlier call in this transaction failed, so nothing of it can be kept; begin again."""


class ConnectionLost(errors.Unavailable):
    """The connection to the database broke before the answer came; nothing uncommitted was kept."""


class LockTimeout(errors.Unavailable):
    """Another transaction held the rows for too long; try again."""


class DatabaseFull(errors.Exhausted):
    """The database is out of connections, memory or disk; try again later."""


class BrokenReference(errors.Invalid):
    """The call refers to something that does not exist in this tenant; nothing was changed."""


class AlreadyExists(errors.Conflict):
    """Something with this name or key exists already in this tenant; nothing was changed."""


class RuleBroken(errors.Invalid):
    """A value breaks a rule of the data; nothing was changed."""


class AccessRefused(errors.Forbidden):
    """The database refused this access."""


def from_psycopg(error: psycopg.Error) -> SqlFailure:
    """The failure that a driver's error carries, with the text kept for the log only."""
    # What never reached the server has no code: a broken connection, or a value that cannot be sent.
    own = {psycopg.OperationalError: "08006", psycopg.DataError: "22000"}
    sqlstate = error.sqlstate or next((code for kind, code in own.items() if isinstance(error, kind)), "XX000")
    return SqlFailure(sqlstate, error.diag.message_primary or str(error), stale=is_stale_plan(error))


def _exceeded(told: str) -> errors.QuotaExceeded:
    name, *numbers = told.split()
    amount, used, asked, seconds = map(int, numbers)
    return errors.QuotaExceeded(
        f"This tenant may have {amount:,} {_THINGS.get(name, name)} and has {used:,}, so {asked:,} more do not fit; "
        f"{_WAYS_OUT[name]}.",
        field=name,
        limit=amount,
        used=used,
        remaining=max(0, amount - used),
        retry_after=seconds,
    )


def translate(failure: SqlFailure, place: str) -> errors.MoothillError:
    """The error that callers see for a failure that its query does not declare."""
    state = failure.sqlstate
    if state in ("40001", "40P01"):
        return SerialisationFailure(retry=True)
    if state == KEYS_CHANGED:
        return TenantKeysChanged(retry=True)
    if failure.is_stale:
        return SchemaChanged(retry=True)
    exact: dict[str, type[errors.MoothillError]] = {
        "23503": BrokenReference,
        "23505": AlreadyExists,
        "23P01": AlreadyExists,
        "23514": RuleBroken,
        "23502": RuleBroken,
        "08P01": errors.DatabaseError,  # our own mistake in a statement, not a broken connection
        "25P03": ConnectionLost,
        "25P02": TransactionFailed,
        "42501": AccessRefused,
        "55P03": LockTimeout,
        "57014": StatementTimeout,
    }
    classes: dict[str, type[errors.MoothillError]] = {
        "08": ConnectionLost,
        "57": ConnectionLost,
        "22": RuleBroken,
        "53": DatabaseFull,
    }
    if state == QUOTA_STATE:
        return _exceeded(failure.primary)
    found = exact.get(state) or classes.get(state[:2])
    if found is None or found is AccessRefused:
        _log.error("statement_failed", extra={"sqlstate": state, "detail": failure.primary, "query": place})
    # A read that lost its connection may be tried again; the executor knows which call is one.
    return found(lost=True) if found is ConnectionLost else (found or errors.DatabaseError)()
