"""The kernel: operations declared once, executors that run them, errors, paging, events, settings."""

from .context import Actor, CallOptions, Context, Principal, context
from .operation import Job, Operation, Plan, Step, job, operation, stream
from .paging import Page
from .service import REGISTRY, SERVICES, Service, handles, scheduled

__all__ = [
    "REGISTRY",
    "SERVICES",
    "Actor",
    "CallOptions",
    "Context",
    "Job",
    "Operation",
    "Page",
    "Plan",
    "Principal",
    "Service",
    "Step",
    "context",
    "handles",
    "job",
    "operation",
    "scheduled",
    "stream",
]
