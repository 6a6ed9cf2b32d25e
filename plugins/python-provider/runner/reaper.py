"""The end of processes: everything that a run has started is killed, waited for, and proven gone."""

import os
import signal
import time


class Reaper:
    def __init__(self, loop):
        self.loop = loop
        self.known = {}  # pid to Child
        # Only process 1 may say "all": elsewhere that would be every process of the user.
        self.all = os.getpid() == 1
        # The one child that may live on after a run: it has begun nothing yet.
        self.waiting = None
        # An open list of this process's children, where the kernel keeps one.
        self.children = _children() if self.all else None
        self.can_tell = self.children is not None

    def reap(self):
        """Waits for whoever is dead already; their status goes to the Child it belongs to. True if nobody is left."""
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return True
            if pid == 0:
                return False
            child = self.known.pop(pid, None)
            if child is not None:
                child.status, child.usage = status, usage

    def only_waiting(self):
        """Whether the only process left is the one that waits. Every other is a child of this one, process 1, or has an
        ancestor that is; and none of them is let go of while the list is read, because only this process reaps."""
        if self.waiting is None:
            return False
        try:
            listed = os.pread(self.children, 64, 0).split()
        except OSError:
            return False
        return listed == [b"%d" % self.waiting]

    def kill(self):
        """Kills everybody but this process, once."""
        targets = [-1] if self.all else [pid for pid in descendants()]
        for child in self.known.values():
            targets.append(-child.pid)
        for pid in targets:
            try:
                os.kill(pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                pass

    def clear(self, seconds=5.0):
        """Kills and waits until nobody is left but one that waits, if nobody else was. False if somebody is, after so long."""
        if self.reap() or self.only_waiting():
            return True
        until = time.monotonic() + seconds
        while True:
            self.kill()
            if self.reap():
                return True
            if time.monotonic() > until:
                return False
            # Deaths ring; those of orphans that come to us only now are found by the next look.
            self.loop.turn(min(until, time.monotonic() + 0.02))


def _children():
    try:
        return os.open("/proc/self/task/%d/children" % os.getpid(), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None


def descendants():
    """The children of this process, orphans of the code included, because it is a subreaper."""
    try:
        with open("/proc/self/task/%d/children" % os.getpid()) as listed:
            return [int(pid) for pid in listed.read().split()]
    except OSError:
        pass
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open("/proc/%s/stat" % name) as stat:
                    if int(stat.read().rsplit(")", 1)[1].split()[1]) == os.getpid():
                        found.append(int(name))
            except (OSError, IndexError, ValueError):
                continue
    return found
