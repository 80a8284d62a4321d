"""Erasure: removing an agent or a tenant for good, with a signed report of what went."""

from .hooks import destroys
from .reports import verify_report
from .service import Erasure

__all__ = ["Erasure", "destroys", "verify_report"]
