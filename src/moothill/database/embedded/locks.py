"""File locks that the kernel releases when their holder dies, however it dies."""

import fcntl
import os
from pathlib import Path

__all__ = ["FileLock"]


class FileLock:
    """An advisory lock (`flock`) on one file. Never waits.

    Two FileLocks exclude each other even within one process. A forked child does not share its
    parent's lock: what it does here leaves the parent's lock as it was.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None
        self._process = 0

    @property
    def held(self) -> bool:
        """Whether this object of this process holds the lock."""
        return self._descriptor is not None and self._process == os.getpid()

    def acquire(self, *, shared: bool = False) -> bool:
        """Take the lock if it is free; say whether we have it."""
        if self.held:
            return True
        descriptor = self._open()
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
            # A lock on a file that was deleted meanwhile excludes nobody.
            if not os.path.samestat(os.fstat(descriptor), self.path.stat()):
                raise FileNotFoundError(self.path)
        except (BlockingIOError, FileNotFoundError):
            os.close(descriptor)
            return False
        self._descriptor, self._process = descriptor, os.getpid()
        return True

    def release(self) -> None:
        """Give the lock up; nothing happens if we do not hold it."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is None:
            return
        if self._process == os.getpid():
            # Unlocked explicitly, since a forked child may still hold a copy of the descriptor.
            fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)

    def hand_over(self) -> int:
        """Give the descriptor away, still locked: the lock lasts until its last copy is closed."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is None:
            raise RuntimeError("only a lock that is held can be handed over")
        return descriptor

    def free(self) -> bool:
        """Whether nobody holds the lock."""
        if not self.acquire(shared=True):
            return False
        self.release()
        return True

    def _open(self) -> int:
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        if os.geteuid() == 0:
            # Root in a user's folder: the user must be able to open it later.
            owner = self.path.parent.stat()
            if owner.st_uid != os.fstat(descriptor).st_uid:
                os.fchown(descriptor, owner.st_uid, owner.st_gid)
        return descriptor
