"""What can go wrong with relationships."""

from ...kernel.errors import Conflict, Invalid, NotFound


class RelationshipNotFound(NotFound):
    """There is no such relationship in this tenant; `relationships.list` shows those that exist."""


class RelationshipChanged(Conflict):
    """The relationship changed since you read it; read it again and repeat the change on that version."""


class OtherDirection(Conflict):
    """The same two agents have a relationship of this type with the other direction; remove that one first."""


class SeenInFuture(Invalid):
    """A time is more than five minutes in the future; set the clock that told it. Nothing was changed."""


class OwnRelationship(Invalid):
    """A relationship has two agents; source and target are the same here."""
