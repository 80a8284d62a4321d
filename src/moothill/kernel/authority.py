"""Who may call what: the scope, and for whom the operation is meant."""

from collections.abc import Iterable
from typing import Any

from .context import Principal, context
from .errors import Forbidden
from .operation import Operation

__all__ = ["MissingScope", "NotForAgents", "ScopeNotHeld", "authorise", "may_give"]


class MissingScope(Forbidden):
    """The key lacks a scope that this operation needs."""


class NotForAgents(Forbidden):
    """This operation is for operators; an agent's key may not call it."""


class ScopeNotHeld(Forbidden):
    """A key, or a service account, may only be given scopes that whoever gives them holds."""


def may_give(scopes: Iterable[str]) -> None:
    """Let the caller give scopes away, or refuse it.

    Raises:
        ScopeNotHeld: with the first scope that the caller does not hold.
    """
    for scope in scopes:
        if not context().principal.may(scope):
            raise ScopeNotHeld(f"You do not hold {scope}, so you cannot give it away.", scope=scope)


def authorise(operation: Operation[Any, Any], principal: Principal) -> None:
    """Let the call pass, or refuse it.

    Raises:
        MissingScope: with the scope that is missing.
        NotForAgents: an agent called what is for operators.
    """
    if not principal.may(operation.scope):
        raise MissingScope(
            f"{operation.name} needs the scope {operation.scope}; ask an operator for a key that has it.",
            operation=operation.name,
            scope=operation.scope,
        )
    if operation.audience == "operator" and principal.actor.kind == "agent":
        raise NotForAgents(
            f"{operation.name} is for operators; an agent's key may not call it.", operation=operation.name
        )
