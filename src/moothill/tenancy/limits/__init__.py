"""Limits: what a tenant may use at most."""

from .models import Limit
from .service import Limits
from .sharing import RatesShared

__all__ = ["Limit", "Limits", "RatesShared"]
