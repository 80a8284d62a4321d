"""Service accounts: programs that act in a tenant by themselves."""

from .models import ServiceAccount
from .service import Accounts

__all__ = ["Accounts", "ServiceAccount"]
