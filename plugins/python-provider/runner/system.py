"""What the standard library has no word for: prctl, and System V objects."""

import ctypes

_libc = ctypes.CDLL(None, use_errno=True)

PDEATHSIG, DUMPABLE, SUBREAPER, NO_NEW_PRIVS = 1, 4, 36, 38


def prctl(option, value):
    """Sets a property of this process."""
    zero = ctypes.c_ulong(0)
    if _libc.prctl(option, ctypes.c_ulong(value), zero, zero, zero) != 0:
        error = ctypes.get_errno()
        raise OSError(error, "prctl(%d) failed" % option)


def remove_ipc(table, identifier):
    """Removes a shared memory segment, a semaphore set or a message queue."""
    identifier = ctypes.c_int(identifier)
    if table == "shm":
        _libc.shmctl(identifier, 0, None)
    elif table == "sem":
        _libc.semctl(identifier, 0, 0)
    else:
        _libc.msgctl(identifier, 0, None)
