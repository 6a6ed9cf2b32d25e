"""What the standard library has no word for: prctl, a plain fork, and System V objects."""

import ctypes
import os
import random
import sys
import threading

_libc = ctypes.CDLL(None, use_errno=True)
_none = ctypes.c_ulong(0)

PDEATHSIG, DUMPABLE, SUBREAPER, NO_NEW_PRIVS = 1, 4, 36, 38


def prctl(option, value):
    """Sets a property of this process."""
    if _libc.prctl(option, ctypes.c_ulong(value), _none, _none, _none) != 0:
        error = ctypes.get_errno()
        raise OSError(error, "prctl(%d) failed" % option)


# Whose wishes to be told of forks may be ignored where there is one thread: they renew locks, and `fork` seeds `random`.
_HARMLESS = frozenset(("concurrent", "logging", "random", "threading"))


class Watched:
    """While it is entered, somebody who asks to be told of forks is noticed."""

    def __init__(self):
        self.anybody = False

    def __enter__(self):
        self.register = getattr(os, "register_at_fork", None)
        if self.register is not None:
            os.register_at_fork = self.registering

    def __exit__(self, *_):
        if self.register is not None:
            os.register_at_fork = self.register

    def registering(self, **wishes):
        who = sys._getframe(1).f_globals.get("__name__") or ""
        self.anybody = self.anybody or who.split(".")[0] not in _HARMLESS
        return self.register(**wishes)


def _plain_fork():
    """fork(2) by itself, where it can be had and will do: None otherwise.

    os.fork also renews locks, so that forks of a program with threads survive: as much work as the fork itself, and all of
    it for nothing in a process that is one thread. PyDLL keeps the interpreter's lock, which the child then has, as its
    only thread.
    """
    free_threads = not getattr(sys, "_is_gil_enabled", lambda: True)()
    if sys.implementation.name != "cpython" or free_threads or len(os.listdir("/proc/self/task")) != 1:
        return None
    return ctypes.PyDLL(None, use_errno=True).fork


_fork = None
_seed = random.seed
_main = threading.main_thread()


def settle(watched):
    """Chooses how to fork, once everything is imported: no thread begins after that, and nobody asks to be told."""
    global _fork
    if watched.anybody:
        return
    try:
        _fork = _plain_fork()
    except (OSError, AttributeError):
        pass


def fork():
    """A copy of this process, with random numbers of its own: 0 in the copy, its number in the original."""
    if _fork is None:
        return os.fork()
    pid = _fork()
    if pid < 0:
        raise OSError(ctypes.get_errno(), "no process can be made")
    if pid == 0:
        _seed()
        _main._set_native_id()
    return pid


def remove_ipc(table, identifier):
    """Removes a shared memory segment, a semaphore set or a message queue."""
    identifier = ctypes.c_int(identifier)
    if table == "shm":
        _libc.shmctl(identifier, 0, None)
    elif table == "sem":
        _libc.semctl(identifier, 0, 0)
    else:
        _libc.msgctl(identifier, 0, None)
