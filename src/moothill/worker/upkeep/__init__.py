"""Upkeep: what keeps the house in order by itself."""

from .service import Upkeep

__all__ = ["Upkeep"]
