"""Privacy: learning across tenants under noise, with budgets that add up, and suppression of small groups."""

from .models import PrivacySettings, Release
from .service import Privacy

__all__ = ["Privacy", "PrivacySettings", "Release"]
