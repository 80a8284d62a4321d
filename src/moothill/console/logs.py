"""Where the console's log goes: standard error, one line an event, with its fields."""

import json
import logging
import sys
from datetime import UTC, datetime

__all__ = ["configure_logging"]

_OWN = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class _Lines(logging.Formatter):
    def __init__(self, *, as_json: bool) -> None:
        super().__init__()
        self._as_json = as_json

    def format(self, record: logging.LogRecord) -> str:
        """One event as a JSON object for programs, or as words for people."""
        fields = {name: value for name, value in vars(record).items() if name not in _OWN}
        head = {
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        trace = {"exception": self.formatException(record.exc_info)} if record.exc_info else {}
        if self._as_json:
            return json.dumps({**head, **fields, **trace}, default=str)
        told = " ".join([*head.values(), *(f"{name}={value}" for name, value in fields.items())])
        return "\n".join([told, *trace.values()])


def configure_logging(level: str = "INFO", *, as_json: bool | None = None) -> None:
    """Send log records to standard error.

    Args:
        level: least level of our own records; of others only warnings are told.
        as_json: one JSON object a line; by default when standard error is no terminal.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines(as_json=not sys.stderr.isatty() if as_json is None else as_json))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("moothill").setLevel(level)
