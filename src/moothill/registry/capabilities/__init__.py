"""Capabilities: what agents can do, under which names, how surely, and what shows it."""

from .models import Capability, Evidence, NewCapability, NewEvidence
from .service import Capabilities

__all__ = ["Capabilities", "Capability", "Evidence", "NewCapability", "NewEvidence"]
