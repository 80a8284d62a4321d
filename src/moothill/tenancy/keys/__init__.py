"""API keys: who calls, for which tenant, and what they may do."""

from .gate import KeyGate
from .models import ApiKey, IssuedKey
from .service import Keys

__all__ = ["ApiKey", "IssuedKey", "KeyGate", "Keys"]
