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
        """Kills and waits until nobody is left. False if somebody is, after so long."""
        until = time.monotonic() + seconds
        while True:
            self.kill()
            if self.reap():
                return True
            if time.monotonic() > until:
                return False
            # Deaths ring; those of orphans that come to us only now are found by the next look.
            self.loop.turn(min(until, time.monotonic() + 0.02))


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
