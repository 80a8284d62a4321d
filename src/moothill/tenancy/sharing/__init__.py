"""Sharing: how far a tenant opens itself, what it lets others read, and who came from outside."""

from .accesses import Accesses
from .service import Sharing

__all__ = ["Accesses", "Sharing"]
