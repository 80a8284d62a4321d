"""When keys leaked: which they are, and ending many at once."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from ...database.queries import Many, Queries
from ...kernel.authority import MissingScope
from ...kernel.context import context
from ...kernel.operation import Plan, operation
from ...kernel.service import Service
from ...registry.agents.lookup import find_agent
from ..accounts.lookup import find_account
from . import rules
from .errors import WhichKeys
from .models import ApiKey, DoomedKey, FoundKey, KeysRevoked, LeakedKey, RevokedKeys, Suspect

__all__ = ["find_leaked", "revoke_all"]

EVERYWHERE = "platform:keys"
_SHOWN = 100
_NAMED = 20

OfAgent = Annotated[
    str | None, Field(min_length=1, max_length=255, description="Only keys of this agent, deactivated or not.")
]
OfAccount = Annotated[
    str | None, Field(min_length=1, max_length=255, description="Only keys of this service account, by name or id.")
]
MadeBefore = Annotated[AwareDatetime | None, Field(description="Only keys made before this moment.")]
Everything = Annotated[bool, Field(description="All keys of this tenant, where nothing narrower is said.")]
WithMine = Annotated[bool, Field(description="Also the key in use, which is spared otherwise.")]


class Sql(Queries):
    """Statements of leaks."""

    file = "leaks.sql"

    revoke_all: Many[ApiKey]
    doomed: Many[DoomedKey]
    leaked: Many[FoundKey]
    found_anywhere: Many[FoundKey]


sql = Sql()


@operation(
    effect="destroy",
    scope="keys:write",
    audience="operator",
    example={"made_before": "2020-01-01T00:00:00Z"},
)
async def revoke_all(
    self: Service,
    *,
    agent: OfAgent = None,
    account: OfAccount = None,
    made_before: MadeBefore = None,
    everything: Everything = False,
    mine_too: WithMine = False,
) -> RevokedKeys:
    """Revoke many keys at once: of an agent, of a service account, made before a moment, or everything.

    Conditions add up. The key in use is spared unless `mine_too` is said. Every server refuses them at once.

    Raises:
        WhichKeys: nothing says which, or an agent and an account are both named.
    """
    actor = await _owner(agent, account, made_before, everything=everything)
    ended = await sql.revoke_all(actor=actor, before=made_before, spared=_spared(mine_too=mine_too))
    if ended:
        event = KeysRevoked(count=len(ended), agent=agent, account=account, made_before=made_before)
        context().record(event, subjects=[key.id for key in ended])
    return RevokedKeys(count=len(ended), keys=list(ended[:_SHOWN]))


@revoke_all.plan
async def _plan_revoke_all(
    self: Service,
    *,
    agent: str | None = None,
    account: str | None = None,
    made_before: datetime | None = None,
    everything: bool = False,
    mine_too: bool = False,
) -> Plan:
    actor = await _owner(agent, account, made_before, everything=everything)
    doomed = await sql.doomed(actor=actor, before=made_before, spared=_spared(mine_too=mine_too), size=_NAMED)
    total = doomed[0].total if doomed else 0
    listed = ", ".join(f"{each.name} ({each.hint}…, {each.actor_kind})" for each in doomed)
    more = f" and {total - len(doomed):,} more" if total > len(doomed) else ""
    said = f": {listed}{more}." if doomed else "."
    return Plan(summary=f"{total:,} keys would be refused from now on{said}", counts={"keys": total})


@operation(
    effect="read",
    scope="keys:read",
    audience="operator",
    example={"suspects": [{"begins_with": "moot_abc123"}]},
)
async def find_leaked(
    self: Service,
    *,
    suspects: Annotated[
        list[Suspect],
        Field(min_length=1, max_length=100, description="What was found somewhere: whole keys, or their beginnings."),
    ],
    everywhere: Annotated[
        bool, Field(description="Whole keys of any tenant, not of this one alone; needs `platform:keys`.")
    ] = False,
) -> list[LeakedKey]:
    """Which keys were found somewhere they should not be; what was sent is neither kept nor logged.

    A whole key is looked up by its digest. A beginning may fit several keys; it is looked up in this tenant only.
    """
    if everywhere and not context().principal.may(EVERYWHERE):
        raise MissingScope(f"Looking in every tenant needs the scope {EVERYWHERE}.", scope=EVERYWHERE)
    digests = [rules.digest(each.secret) for each in suspects if each.secret and rules.is_whole(each.secret)]
    hints = [rules.hint(each.begins_with) for each in suspects if each.begins_with]
    rows = [*await sql.leaked(digests=digests, hints=hints)]
    if everywhere:
        known = {row.id for row in rows}
        rows += [row for row in await sql.found_anywhere(digests=digests) if row.id not in known]
    return [_leaked(row, by="secret" if row.is_whole(digests) else "beginning") for row in rows]


def _leaked(row: FoundKey, *, by: Literal["secret", "beginning"]) -> LeakedKey:
    return LeakedKey(**row.model_dump(exclude={"digest"}), by=by)


def _spared(*, mine_too: bool) -> UUID | None:
    return None if mine_too else context().principal.key


async def _owner(
    agent: str | None, account: str | None, made_before: datetime | None, *, everything: bool
) -> UUID | None:
    """Whose keys; None: anybody's."""
    if agent is not None and account is not None:
        raise WhichKeys("A key belongs to an agent or to a service account; name one of them.", field="account")
    if agent is not None:
        return (await find_agent(agent)).id
    if account is not None:
        return (await find_account(account)).id
    if made_before is None and not everything:
        raise WhichKeys(
            "Say which keys: `agent`, `account`, `made_before`, or `everything` for all of this tenant.",
            field="everything",
        )
    return None
