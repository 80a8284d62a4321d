"""Who may call what: the scope, and for whom the operation is meant."""

from typing import Any

from .context import Principal
from .errors import Forbidden
from .operation import Operation

__all__ = ["MissingScope", "NotForAgents", "authorise"]


class MissingScope(Forbidden):
    """The key lacks a scope that this operation needs."""


class NotForAgents(Forbidden):
    """This operation is for operators; an agent's key may not call it."""


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
