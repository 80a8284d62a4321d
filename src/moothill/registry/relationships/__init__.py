"""Relationships: how agents are connected, how surely and how strongly, and what shows it."""

from .models import NewRelationship, Observation, Relationship, RelationshipType
from .service import Relationships

__all__ = ["NewRelationship", "Observation", "Relationship", "RelationshipType", "Relationships"]
