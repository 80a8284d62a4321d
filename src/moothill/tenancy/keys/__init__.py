"""API keys: who calls, for which tenant, and what they may do."""

from .credentials import Credentials
from .gate import KeyGate
from .models import ApiKey, IssuedKey
from .service import Keys

__all__ = ["ApiKey", "Credentials", "IssuedKey", "KeyGate", "Keys"]
