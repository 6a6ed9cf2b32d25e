"""What a run has written in its working directory, for the caller. Opaque bytes of regular files; nothing is followed.

Called in a fork with the code's own user. After a run of a session its processes are still there and may change anything
at any moment: every file is opened without following, without waiting, and looked at only then.
"""

import os
import stat
import time

from . import frames

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
DEPTH = 16
ENTRIES = 20000


class Collector:
    def __init__(self, report, plan):
        self.report = report
        self.files, self.bytes = plan["files"], plan["bytes"]
        self.until = time.monotonic() + plan["seconds"]
        self.stamp, self.since = plan["stamp"], plan["since"]
        self.given = frozenset(plan["given"])
        self.entries = ENTRIES
        self.truncated = False

    def collect(self, path):
        """Sends what is new under the directory. `truncated` says that there was more."""
        try:
            top = os.open(path, _DIRECTORY)
        except OSError:
            return
        try:
            self.walk(top, "", DEPTH)
        finally:
            os.close(top)

    def walk(self, directory, prefix, depth):
        try:
            names = sorted(os.listdir(directory))
        except OSError:
            return
        for name in names:
            self.entries -= 1
            if self.entries < 0 or time.monotonic() > self.until:
                self.truncated = True
                return
            try:
                mode = os.lstat(name, dir_fd=directory).st_mode
                if stat.S_ISREG(mode):
                    self.take(directory, name, prefix + name)
                elif stat.S_ISDIR(mode) and depth == 0:
                    self.truncated = True
                elif stat.S_ISDIR(mode):
                    below = os.open(name, _DIRECTORY, dir_fd=directory)
                    try:
                        self.walk(below, prefix + name + "/", depth - 1)
                    finally:
                        os.close(below)
            except OSError:
                continue  # gone, or not readable: not for the caller either

    def take(self, directory, name, shown):
        descriptor = os.open(name, _FILE, dir_fd=directory)
        try:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode) or self.known(found, shown):
                return
            if self.files == 0 or found.st_size > self.bytes:
                self.truncated = True
                return
            pieces, left = [], found.st_size
            while left:
                piece = os.read(descriptor, min(left, 1 << 20))
                if not piece:
                    break
                pieces.append(piece)
                left -= len(piece)
            contents = b"".join(pieces)
            self.files -= 1
            self.bytes -= len(contents)
            visible = os.fsencode(shown).decode("utf-8", "replace")
            self.report.send(frames.MADE, *frames.named(visible, contents))
        finally:
            os.close(descriptor)

    def known(self, found, shown):
        """Whether the caller has it: it came with the request and is unchanged, or was there before this run."""
        if found.st_mtime_ns == self.stamp and shown in self.given:
            return True
        return self.since is not None and found.st_mtime_ns < self.since
