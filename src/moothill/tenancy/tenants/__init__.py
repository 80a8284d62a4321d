"""Tenants: the societies that live in one Moothill."""

from .models import Tenant
from .service import Tenants

__all__ = ["Tenant", "Tenants"]
