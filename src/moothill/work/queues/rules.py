"""The rate of a group: tokens that fill up with time, and of which each task that is begun takes one."""

__all__ = ["tokens_left"]


def tokens_left(tokens: float, seconds: float, *, limit: int, per_seconds: int) -> float:
    """What a bucket holds after a time: it fills at limit / per_seconds a second, never above its limit.

    The token bucket of Turner (1986). The database computes the same where it hands tasks out.

    Args:
        tokens: what it held.
        seconds: since then.
        limit: the most that it holds.
        per_seconds: in how many seconds it fills from empty.
    """
    return min(limit, tokens + seconds * limit / per_seconds)
