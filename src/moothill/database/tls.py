"""How far a database is, and so whether its certificate is verified."""

import ipaddress

from psycopg.conninfo import conninfo_to_dict

from ..kernel.settings import Settings

__all__ = ["tls_mode"]


def tls_mode(dsn: str, settings: Settings) -> str | None:
    """The sslmode to add to a DSN that names none: verify-full, but prefer where no network lies between.

    Near is what cannot leave this machine: a literal address of 127.0.0.0/8 or ::1, `localhost`, or
    a socket given by its absolute path; of several hosts, all. An address wins over a host's name,
    as it does for libpq; a service file may name anything, so it counts as far.

    Raises:
        psycopg.ProgrammingError: libpq does not understand the DSN.
    """
    parts = conninfo_to_dict(dsn)
    if parts.get("sslmode"):
        return None
    if settings.tls:
        return settings.tls
    if parts.get("service"):
        return "verify-full"
    addresses = str(parts.get("hostaddr") or "").split(",")
    hosts = str(parts.get("host") or "").split(",")
    if len(addresses) < len(hosts):
        addresses += [""] * (len(hosts) - len(addresses))
    elif len(hosts) < len(addresses):
        hosts += [""] * (len(addresses) - len(hosts))
    near = all(_is_near(address or host) for address, host in zip(addresses, hosts, strict=True))
    return "prefer" if near else "verify-full"


def _is_near(host: str) -> bool:
    # Without a host libpq takes the socket of this machine; `@` starts an abstract one.
    if host in ("", "localhost") or host.startswith(("/", "@")):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
