"""Retention: what leaves and when, what keeps it from leaving, and taking everything out."""

from .models import Hold
from .service import Retention

__all__ = ["Hold", "Retention"]
