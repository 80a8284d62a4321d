"""The audit: who changed what, from what to what, and as whom."""

from .service import Audit

__all__ = ["Audit"]
