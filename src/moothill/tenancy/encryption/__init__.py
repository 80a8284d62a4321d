"""Encryption of a tenant's content: turning it on and off, rotating its keys, destroying them."""

from .service import Encryption
from .shredding import shred

__all__ = ["Encryption", "shred"]
