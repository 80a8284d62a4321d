"""Bearer tokens of an identity provider (JSON Web Tokens), where the settings name one."""

from .claims import TokenRules, token_rules
from .gate import TokenGate

__all__ = ["TokenGate", "TokenRules", "token_rules"]
