"""The server's settings for this machine, and who may connect."""

import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from moothill.kernel.errors import Invalid

__all__ = [
    "access_rules",
    "check_settings",
    "configuration_file",
    "default_settings",
    "machine_memory",
    "shared_memory_free",
]

MEBIBYTE = 1024 * 1024

# These decide who can reach the server and where its files are; they are not the caller's.
_OURS = frozenset(
    {
        "config_file",
        "data_directory",
        "external_pid_file",
        "hba_file",
        "ident_file",
        "listen_addresses",
        "log_directory",
        "log_filename",
        "logging_collector",
        "port",
        "unix_socket_directories",
        "unix_socket_group",
        "unix_socket_permissions",
    }
)


def machine_memory() -> int:
    """Bytes of memory that this process may count on: the machine's, or the container's limit."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for limit in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            memory = min(memory, int(Path(limit).read_text()))
        except (OSError, ValueError):
            continue
    return memory


def default_settings(memory: int, *, shared_memory_free: int | None = None) -> dict[str, str]:
    """Settings for a machine with so many bytes of memory; `fsync` and durable commits stay on.

    Args:
        memory: bytes that PostgreSQL may count on.
        shared_memory_free: bytes free in /dev/shm; containers often have 64 MiB, too little for
            a parallel query.
    """

    def megabytes(size: int, least: int, most: int) -> str:
        return f"{max(least, min(most, size // MEBIBYTE))}MB"

    settings = {
        "max_connections": "100",
        "shared_buffers": megabytes(memory // 8, 64, 1024),
        "effective_cache_size": megabytes(memory // 2, 128, 1024 * 1024),
        "work_mem": megabytes(memory // 512, 4, 16),
        "maintenance_work_mem": megabytes(memory // 16, 64, 512),
        # Asking for huge pages that the kernel does not have costs a failed mapping at each start.
        "huge_pages": "off",
        "fsync": "on",
        "full_page_writes": "on",
        "synchronous_commit": "on",
        "wal_compression": "on",
        "max_wal_size": "2GB",
        "checkpoint_timeout": "15min",
        "checkpoint_completion_target": "0.9",
        "random_page_cost": "1.1",
        "jit": "off",
        "max_locks_per_transaction": "256",
        "password_encryption": "scram-sha-256",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "lc_messages": "C",
        "log_line_prefix": "%m [%p] %q%u@%d ",
        "log_lock_waits": "on",
        "log_checkpoints": "off",
        # How often a long recovery says how far it is.
        "log_startup_progress_interval": "1s",
    }
    if shared_memory_free is not None and shared_memory_free < 256 * MEBIBYTE:
        settings["dynamic_shared_memory_type"] = "mmap"
    return settings


def shared_memory_free() -> int | None:
    """Bytes free in /dev/shm; none where there is no such thing."""
    try:
        return shutil.disk_usage("/dev/shm").free  # noqa: S108 - a kernel interface, not a temporary file
    except OSError:
        return None


def check_settings(settings: Mapping[str, str]) -> dict[str, str]:
    """The caller's settings, names in lower case.

    Raises:
        Invalid: a name that is no setting's, a value with a line break, or a setting that
            Moothill decides itself.
    """
    checked: dict[str, str] = {}
    for name, value in settings.items():
        lowered = name.lower()
        if not re.fullmatch(r"[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)?", lowered):
            raise Invalid(f"{name[:100]!r} is not the name of a PostgreSQL setting.", setting=name[:100])
        if lowered in _OURS:
            raise Invalid(
                f"The setting {lowered} of the embedded server cannot be changed: it decides who reaches it. "
                "For a server on the network run your own PostgreSQL and give Moothill its DSN.",
                setting=lowered,
            )
        if any(character in str(value) for character in "\n\r\0"):
            raise Invalid(f"The value of the setting {lowered} cannot hold a line break.", setting=lowered)
        checked[lowered] = str(value)
    return checked


def configuration_file(settings: Mapping[str, str], *, socket: Path, log: Path) -> str:
    """The text of `postgresql.conf`."""
    ours = {
        "listen_addresses": "",
        "port": "5432",
        "unix_socket_directories": '"' + str(socket).replace('"', '""') + '"',
        "unix_socket_permissions": "0700",
        "logging_collector": "on",
        "log_directory": str(log),
        # One file per weekday, emptied when its day comes round.
        "log_filename": "postgresql-%a.log",
        "log_truncate_on_rotation": "on",
        "log_rotation_age": "1d",
        "log_rotation_size": "0",
        "log_file_mode": "0600",
    }
    lines = [
        "# Written by Moothill at every start; changes are lost. Use the settings of the embedded",
        "# server, or ALTER SYSTEM.",
        *(f"{name} = {_quoted(value)}" for name, value in {**settings, **ours}.items()),
    ]
    return "\n".join(lines) + "\n"


def access_rules() -> str:
    """The text of `pg_hba.conf`: the socket only, nobody without a password."""
    return (
        "# Written by Moothill at every start; changes are lost.\n"
        "local all all scram-sha-256\n"
        "local replication all scram-sha-256\n"
    )


def _quoted(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"
