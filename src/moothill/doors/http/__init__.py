"""The HTTP door: operations at `/v1`, OpenAPI, probes, metrics."""

try:
    from .app import Application, create_app
except ModuleNotFoundError as missing:
    if missing.name not in ("fastapi", "starlette", "prometheus_client"):
        raise
    raise ModuleNotFoundError(
        "The HTTP door needs the extra `server`: pip install 'moothill[server]'.", name=missing.name
    ) from None
from .door import Door

__all__ = ["Application", "Door", "create_app"]
